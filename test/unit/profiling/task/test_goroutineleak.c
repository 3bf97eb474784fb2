/* SPDX-License-Identifier: MIT
 *
 * test_goroutineleak.c - of what is in flight the requests alone that nothing will wake.
 *
 * Tests: core/task/task_waits.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/task/task.h"
#include "profiling/write/source.h"
#include "test/unit/support/pool_rig.h"

static struct loop *loop;
static bool is_taken;
static int taken_status;

static void on_taken(struct source_take *take, int status)
{
    (void)take;
    is_taken = true;
    taken_status = status;
}

static struct source_take take_profile(void)
{
    struct source_take take = {.done = on_taken};
    is_taken = false;
    assert_int_equal(source_goroutineleak.take(loop, pool_rig_get(), &take), 0);
    while (!is_taken) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(taken_status, 0);
    return take;
}

static size_t count_leaked(void)
{
    struct source_take take = take_profile();
    const size_t count = take.stacks.sample_count;
    assert_int_equal(source_goroutineleak.count(), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(take.stacks.samples[i].values[0], 1);
        assert_string_equal(take.stacks.samples[i].labels.state, "sleep");
    }
    stacks_deinit(&take.stacks);
    return count;
}

static void test_one_without_a_waker_is_leaked(void **state)
{
    (void)state;
    const struct task_waker timer = {.kind = "timer", .id = 7};
    const struct task_waker query = {.kind = "mysql", .id = 8};
    struct task tasks[2];
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        assert_int_equal(task_start(&tasks[i], "http", 0, NULL), 0);
        task_await(&tasks[i], timer);
        task_park(&tasks[i], "sleep");
    }
    assert_int_equal(count_leaked(), 0);
    task_await(&tasks[1], query);
    task_awaited(&tasks[1], timer);
    assert_int_equal(count_leaked(), 0); /* one is left */
    task_awaited(&tasks[1], query);
    assert_int_equal(count_leaked(), 1);
    struct task *previous = task_enter(&tasks[1]);
    assert_int_equal(count_leaked(), 0); /* it runs */
    task_leave(previous);
    assert_int_equal(count_leaked(), 1);
    task_hold(&tasks[1]);
    assert_int_equal(count_leaked(), 1); /* to hold it is not to wake it */
    task_release(&tasks[1]);
    task_unpark(&tasks[1]);
    assert_int_equal(count_leaked(), 0);
    task_end(&tasks[0]);
    task_end(&tasks[1]);
    assert_int_equal(count_leaked(), 0);
}

static void test_a_slot_names_the_last_waker(void **state)
{
    (void)state;
    const struct task_waker timer = {.kind = "timer", .id = 7};
    const struct task_waker query = {.kind = "mysql", .id = 8};
    struct task_facts facts;
    struct task task;
    assert_int_equal(task_start(&task, "http", 0, NULL), 0);
    task_await(&task, timer);
    task_await(&task, query);
    assert_true(task_slots_copy(task.slot, &facts));
    assert_int_equal(facts.wakers.count, 2);
    assert_string_equal(facts.wakers.last.kind, "mysql");
    assert_int_equal(facts.wakers.last.id, 8);
    task_awaited(&task, query);
    assert_true(task_slots_copy(task.slot, &facts));
    assert_int_equal(facts.wakers.count, 1);
    assert_null(facts.wakers.last.kind);
    task_end(&task);
    assert_int_equal(task_start(&task, "http", 0, NULL), 0); /* in the same slot */
    assert_true(task_slots_copy(task.slot, &facts));
    assert_int_equal(facts.wakers.count, 0);
    task_end(&task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_without_a_waker_is_leaked),
        cmocka_unit_test(test_a_slot_names_the_last_waker),
    };
    if (loop_create(&loop) < 0) {
        return 1;
    }
    return cmocka_run_group_tests_name("goroutineleak", tests, NULL, NULL);
}
