/* SPDX-License-Identifier: MIT
 *
 * test_http_times.c - where the time of a request went, by its trail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <string.h>

#include "core/http/http_times.h"
#include "core/task/task.h"

#define START_NS (1000 * NS_PER_S)

static struct http_request req;

static int set_up(void **state)
{
    (void)state;
    memset(&req, 0, sizeof(req));
    return task_start(&req.task, "test", START_NS, NULL);
}

static int set_up_served(void **state)
{
    const int rc = set_up(state);
    if (rc == 0) {
        task_describe(&req.task, "test", LABEL_NONE, "handler");
    }
    return rc;
}

static int tear_down(void **state)
{
    (void)state;
    struct task *previous = task_enter(&req.task);
    task_end(&req.task);
    task_leave(previous);
    return 0;
}

static void add(uint64_t at_ms, const char *name)
{
    task_slots_add_change(
        req.task.slot,
        &(struct task_change){.when_ns = START_NS + at_ms * NS_PER_MS, .state = name});
}

static struct http_times get(uint64_t at_ms)
{
    return http_times_get(&req, START_NS + at_ms * NS_PER_MS);
}

static uint64_t sum(const struct http_times *times)
{
    return times->running_ns + times->mysql_ns + times->mysql_pool_ns + times->redis_ns +
           times->upstream_ns + times->write_ns + times->loop_ns + times->other_ns;
}

static void test_one_that_ran_at_once(void **state)
{
    (void)state;
    const struct http_times times = get(7);
    assert_int_equal(times.running_ns, 7 * NS_PER_MS);
    assert_int_equal(sum(&times), 7 * NS_PER_MS);
}

/* Its body did not come. */
static void test_one_that_never_ran(void **state)
{
    (void)state;
    const struct http_times times = get(7);
    assert_int_equal(times.running_ns, 0);
    assert_int_equal(times.other_ns, 7 * NS_PER_MS);
}

/* Each state has its sum, and all of them are the whole. */
static void test_each_state(void **state)
{
    (void)state;
    add(1, "redis");
    add(3, "[loop]");
    add(6, task_state_running);
    add(10, "mysql pool");
    add(15, "mysql");
    add(21, "upstream");
    add(28, "write");
    add(36, "offload");
    const struct http_times times = get(45);
    assert_int_equal(times.running_ns, (1 + 4) * NS_PER_MS);
    assert_int_equal(times.redis_ns, 2 * NS_PER_MS);
    assert_int_equal(times.loop_ns, 3 * NS_PER_MS);
    assert_int_equal(times.mysql_pool_ns, 5 * NS_PER_MS);
    assert_int_equal(times.mysql_ns, 6 * NS_PER_MS);
    assert_int_equal(times.upstream_ns, 7 * NS_PER_MS);
    assert_int_equal(times.write_ns, 8 * NS_PER_MS);
    assert_int_equal(times.other_ns, 9 * NS_PER_MS); /* a state without a sum of its own */
    assert_int_equal(sum(&times), 45 * NS_PER_MS);
}

static void test_a_note_ends_nothing(void **state)
{
    (void)state;
    add(1, "mysql");
    task_slots_add_change(req.task.slot, &(struct task_change){.when_ns = START_NS + 2 * NS_PER_MS,
                                                               .state = task_note_status,
                                                               .number = 200});
    const struct http_times times = get(5);
    assert_int_equal(times.mysql_ns, 4 * NS_PER_MS);
    assert_int_equal(sum(&times), 5 * NS_PER_MS);
}

/* What came behind a full trail is not known: it is no time of the last state. */
static void test_a_trail_that_was_full(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < TASK_CHANGES_MAX + 3; i++) {
        add(i + 1, i % 2 == 0 ? "mysql" : "redis");
    }
    const struct http_times times = get(100);
    assert_int_equal(times.running_ns, NS_PER_MS);
    assert_int_equal(times.mysql_ns, TASK_CHANGES_MAX / 2 * NS_PER_MS);
    assert_int_equal(times.redis_ns, (TASK_CHANGES_MAX / 2 - 1) * NS_PER_MS);
    assert_int_equal(times.other_ns, (100 - TASK_CHANGES_MAX) * NS_PER_MS);
    assert_int_equal(sum(&times), 100 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_that_ran_at_once, set_up_served, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_never_ran, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_state, set_up_served, tear_down),
        cmocka_unit_test_setup_teardown(test_a_note_ends_nothing, set_up_served, tear_down),
        cmocka_unit_test_setup_teardown(test_a_trail_that_was_full, set_up_served, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
