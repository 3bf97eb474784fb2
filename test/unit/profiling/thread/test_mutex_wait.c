/* SPDX-License-Identifier: MIT
 *
 * test_mutex_wait.c - what is charged to whom, from the calls that the hooks make; no mutex and no
 * other thread is needed for that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/thread/mutex_wait.h"

#define CALLER   0x1000 /* the address that the stacks begin with while nothing can be unwound */
#define FRACTION 10
#define EVENTS   100000

static char mutexes[2 * MUTEX_WAITERS_MAX]; /* only their addresses matter */

static struct stacks before;
static struct mutex_stats stats_before;

static int set_up(void **state)
{
    (void)state;
    mutex_wait_set_fraction(1);
    stats_before = mutex_wait_get_stats();
    contention_read(mutex_wait_records(), &before);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mutex_wait_set_fraction(0);
    stacks_deinit(&before);
    return 0;
}

/* What was recorded since set_up, for one caller and label. */
static struct stacks_sample recorded(uint64_t caller, uint32_t label)
{
    struct stacks now = {0};
    struct stacks_sample sum = {0};
    contention_read(mutex_wait_records(), &now);
    stacks_merge(&now, &before, -1);
    for (size_t i = 0; i < now.sample_count; i++) {
        uint64_t frame;
        assert_int_equal(stacks_read(&now, now.samples[i].leaf, &frame, 1), 1);
        if (frame == caller && now.samples[i].labels.label == label) {
            sum = now.samples[i];
        }
    }
    stacks_deinit(&now);
    return sum;
}

static uint64_t events(void)
{
    return mutex_wait_get_stats().events - stats_before.events;
}

static uint64_t lost(void)
{
    return mutex_wait_get_stats().lost - stats_before.lost;
}

static void pass_a_moment(void)
{
    const uint64_t start_ns = clock_now_ns();
    while (clock_now_ns() - start_ns < NS_PER_MS) {
    }
}

static void test_a_wait_is_charged_whole(void **state)
{
    (void)state;
    const uint64_t start_ns = clock_now_ns();
    struct mutex_waiter *waiter = mutex_wait_begin(mutexes);
    pass_a_moment();
    mutex_wait_release(mutexes, CALLER);
    pass_a_moment(); /* until the waiter runs */
    mutex_wait_end(waiter);
    const uint64_t waited_ns = clock_now_ns() - start_ns;
    const struct stacks_sample sample = recorded(CALLER, LABEL_NONE);
    assert_int_equal(sample.values[0], 1);
    assert_in_range(sample.values[1], 2 * NS_PER_MS, waited_ns);
    assert_int_equal(events(), 1);
    assert_int_equal(lost(), 0);
    assert_false(mutex_wait_is_any(mutexes));
}

static void test_each_unlock_is_charged_with_its_part(void **state)
{
    (void)state;
    const uint64_t start_ns = clock_now_ns();
    struct mutex_waiter *first = mutex_wait_begin(mutexes);
    struct mutex_waiter *second = mutex_wait_begin(mutexes);
    pass_a_moment();
    mutex_wait_release(mutexes, CALLER + 1); /* 1 ms of both */
    mutex_wait_end(first);
    pass_a_moment();
    mutex_wait_release(mutexes, CALLER + 2); /* 1 ms of the second */
    mutex_wait_end(second);
    const uint64_t most_ns = 2 * (clock_now_ns() - start_ns);
    const int64_t by_first = recorded(CALLER + 1, LABEL_NONE).values[1];
    const int64_t by_second = recorded(CALLER + 2, LABEL_NONE).values[1];
    assert_in_range(by_first, 2 * NS_PER_MS, most_ns);
    assert_in_range(by_second, NS_PER_MS, most_ns);
    assert_in_range(by_first + by_second, 3 * NS_PER_MS, most_ns);
    assert_int_equal(events(), 2);
}

static void test_the_label_is_the_unlockers(void **state)
{
    (void)state;
    struct mutex_waiter *waiter = mutex_wait_begin(mutexes);
    const uint32_t label = task_swap_label(LABEL_OTHER);
    mutex_wait_release(mutexes, CALLER);
    task_swap_label(label);
    mutex_wait_end(waiter);
    assert_int_equal(recorded(CALLER, LABEL_OTHER).values[0], 1);
}

/* Another mutex whose waiters are counted at the same place. */
static const void *find_neighbour(void)
{
    for (size_t i = 1; i < ARRAY_COUNT(mutexes); i++) {
        if (mutex_wait_home(&mutexes[i]) == mutex_wait_home(mutexes)) {
            return &mutexes[i];
        }
    }
    fail_msg("no two of %zu addresses share a place", ARRAY_COUNT(mutexes));
    return NULL;
}

static void test_two_mutexes_at_one_place_are_told_apart(void **state)
{
    (void)state;
    const void *other = find_neighbour();
    struct mutex_waiter *waiter = mutex_wait_begin(mutexes);
    assert_true(mutex_wait_is_any(other));
    mutex_wait_release(other, CALLER + 3);
    assert_int_equal(events(), 0);
    struct mutex_waiter *others = mutex_wait_begin(other);
    mutex_wait_release(other, CALLER + 4);
    mutex_wait_end(others);
    assert_true(mutex_wait_is_any(other));
    mutex_wait_release(mutexes, CALLER + 5);
    mutex_wait_end(waiter);
    assert_false(mutex_wait_is_any(other));
    assert_int_equal(recorded(CALLER + 3, LABEL_NONE).values[0], 0);
    assert_int_equal(recorded(CALLER + 4, LABEL_NONE).values[0], 1);
    assert_int_equal(recorded(CALLER + 5, LABEL_NONE).values[0], 1);
}

static void test_a_wait_without_an_unlock_is_lost(void **state)
{
    (void)state;
    struct mutex_waiter *waiter = mutex_wait_begin(mutexes);
    pass_a_moment();
    mutex_wait_end(waiter);
    assert_int_equal(lost(), 1);
    assert_int_equal(events(), 0);
}

static void test_who_came_in_the_last_instant_lost_nothing(void **state)
{
    (void)state;
    uint64_t lost_before;
    uint64_t took_ns;
    do { /* until nothing comes between */
        lost_before = lost();
        const uint64_t start_ns = clock_now_ns();
        mutex_wait_end(mutex_wait_begin(mutexes));
        took_ns = clock_now_ns() - start_ns;
    } while (took_ns >= MUTEX_UNSEEN_NS);
    assert_int_equal(lost(), lost_before);
    assert_int_equal(events(), 0);
    assert_false(mutex_wait_is_any(mutexes));
}

static void test_waiters_without_a_place_are_lost(void **state)
{
    (void)state;
    static struct mutex_waiter *waiters[MUTEX_WAITERS_MAX];
    size_t count = 0;
    while (lost() == 0) {
        waiters[count] = mutex_wait_begin(mutexes);
        count += waiters[count] == NULL ? 0 : 1;
    }
    assert_in_range(count, 64, MUTEX_WAITERS_MAX - 1);
    mutex_wait_release(mutexes, CALLER);
    for (size_t i = 0; i < count; i++) {
        mutex_wait_end(waiters[i]);
    }
    mutex_wait_end(NULL);
    assert_int_equal(lost(), 1);
    assert_int_equal(events(), 1);
    assert_false(mutex_wait_is_any(mutexes));
}

static void test_one_in_a_fraction_counts_for_all(void **state)
{
    (void)state;
    mutex_wait_set_fraction(FRACTION);
    for (size_t i = 0; i < EVENTS; i++) {
        struct mutex_waiter *waiter = mutex_wait_begin(mutexes);
        mutex_wait_release(mutexes, CALLER);
        mutex_wait_end(waiter);
    }
    const struct stacks_sample sample = recorded(CALLER, LABEL_NONE);
    assert_int_equal(events(), EVENTS);
    assert_int_equal(sample.values[0] % FRACTION, 0);
    assert_int_equal(sample.values[1] % FRACTION, 0);
    /* the standard deviation is sqrt(EVENTS * (FRACTION - 1)) = 949: five of them */
    assert_in_range(sample.values[0], EVENTS - 4743, EVENTS + 4743);
}

static void test_errno_is_kept(void **state)
{
    (void)state;
    struct mutex_waiter *waiter = mutex_wait_begin(mutexes);
    errno = 12345;
    mutex_wait_release(mutexes, CALLER);
    mutex_wait_end(waiter);
    assert_int_equal(errno, 12345);
}

static void test_it_accounts_for_itself(void **state)
{
    (void)state;
    struct mutex_waiter *waiter = mutex_wait_begin(mutexes);
    mutex_wait_release(mutexes, CALLER);
    mutex_wait_end(waiter);
    const struct mutex_stats stats = mutex_wait_get_stats();
    assert_int_equal(stats.failures, stats_before.failures + 1); /* no unwind table */
    assert_true(stats.hook_ns > stats_before.hook_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_wait_is_charged_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_unlock_is_charged_with_its_part, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_label_is_the_unlockers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_mutexes_at_one_place_are_told_apart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_without_an_unlock_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_came_in_the_last_instant_lost_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_waiters_without_a_place_are_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_in_a_fraction_counts_for_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errno_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_accounts_for_itself, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("mutex_wait", tests, NULL, NULL);
}
