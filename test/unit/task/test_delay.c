/* SPDX-License-Identifier: MIT
 *
 * test_delay.c - who has waited behind which long callbacks, in this turn and the next.
 *
 * delay.c is included: the test says whether the poll slept, and when it began.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/task/arrival.h"
#include "core/task/usage.h"
#include <cmocka.h>

#define arrival_poll_began_ns() poll_began_ns
#define usage_has_slept()       has_slept
#define usage_count_delay(culprit, victim, is_upper, ns)                                           \
    count_delay((culprit), (victim), (is_upper), (ns))

static uint64_t poll_began_ns;
static bool has_slept;
static uint64_t counted_ns[2]; /* known, and upper bounds */

static void count_delay(uint32_t culprit, uint32_t victim, bool is_upper, uint64_t ns)
{
    (void)culprit;
    (void)victim;
    counted_ns[is_upper] += ns;
}

#include "core/task/delay.c"

static struct delay delay;

#define MS NS_PER_MS

enum { SLOW = 7, SLOWER = 8, VICTIM = 9 }; /* labels, and the tasks' ids */

static int set_up(void **state)
{
    (void)state;
    delay_start(&delay);
    poll_began_ns = 0;
    has_slept = false;
    counted_ns[0] = 0;
    counted_ns[1] = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    delay_stop();
    return 0;
}

static struct task_behind suffer(uint64_t since_ns, bool is_new)
{
    struct task_behind behind = {0};
    const struct delay_victim victim = {
        .task_id = VICTIM, .since_ns = since_ns, .label = VICTIM, .is_new = is_new};
    delay_suffer(&victim, &behind);
    assert_int_equal(counted_ns[0], behind.ns);
    assert_int_equal(counted_ns[1], behind.upper_ns);
    counted_ns[0] = 0;
    counted_ns[1] = 0;
    return behind;
}

static void test_nobody_was_slow(void **state)
{
    (void)state;
    assert_int_equal(suffer(100, false).ns, 0);
    assert_int_equal(task_self.delay_until_ns, 0);
}

/* What is resumed in the same turn was ready when the poll returned. */
static void test_in_the_same_turn(void **state)
{
    (void)state;
    delay_add(SLOW, SLOW, 10 * MS, 30 * MS);
    assert_int_equal(task_self.delay_until_ns, UINT64_MAX);
    const struct task_behind behind = suffer(5 * MS, false);
    assert_int_equal(behind.ns, 20 * MS);
    assert_int_equal(behind.upper_ns, 0);
    assert_int_equal(behind.label, SLOW);
    assert_int_equal(suffer(25 * MS, false).ns, 5 * MS); /* as far as it waited */
    assert_int_equal(suffer(30 * MS, false).ns, 0);
}

static void test_behind_two_the_longer_one_is_named(void **state)
{
    (void)state;
    delay_add(SLOWER, SLOWER, 10 * MS, 40 * MS);
    delay_add(SLOW, SLOW, 40 * MS, 50 * MS);
    const struct task_behind behind = suffer(0, false);
    assert_int_equal(behind.ns, 40 * MS);
    assert_int_equal(behind.longest_ns, 30 * MS);
    assert_int_equal(behind.label, SLOWER);
}

static void test_nobody_waits_behind_himself(void **state)
{
    (void)state;
    delay_add(VICTIM, SLOW, 10 * MS, 30 * MS);
    assert_int_equal(suffer(0, false).ns, 0);
}

static void test_once_a_turn(void **state)
{
    (void)state;
    struct task_behind behind = {0};
    const struct delay_victim victim = {.task_id = VICTIM};
    delay_add(SLOW, SLOW, 10 * MS, 30 * MS);
    delay_suffer(&victim, &behind);
    delay_suffer(&victim, &behind);
    assert_int_equal(behind.ns, 20 * MS);
}

/* In the next turn the kernel does not tell when it was ready: an upper bound, unless the poll
 * slept, for then it came afterwards. */
static void test_in_the_next_turn(void **state)
{
    (void)state;
    delay_add(SLOW, SLOW, 10 * MS, 30 * MS);
    delay_end_turn(&delay, 31 * MS);
    assert_int_equal(task_self.delay_until_ns, UINT64_MAX);
    assert_int_equal(suffer(20 * MS, false).upper_ns, 10 * MS);
    has_slept = true;
    assert_int_equal(suffer(20 * MS, false).upper_ns, 0);
    has_slept = false;
    delay_end_turn(&delay, 32 * MS);
    assert_int_equal(task_self.delay_until_ns,
                     30 * MS); /* who began before its end alone may have waited */
    assert_int_equal(suffer(20 * MS, false).upper_ns, 0);
}

/* Of a new request the kernel may have said when it came: then it is known, turns later, too. */
static void test_a_new_one_whose_time_is_known(void **state)
{
    (void)state;
    delay_add(SLOW, SLOW, 10 * MS, 30 * MS);
    delay_end_turn(&delay, 31 * MS);
    delay_end_turn(&delay, 32 * MS);
    poll_began_ns = 31 * MS;
    const struct task_behind behind = suffer(12 * MS, true);
    assert_int_equal(behind.ns, 18 * MS);
    assert_int_equal(behind.upper_ns, 0);
    assert_int_equal(suffer(30 * MS, true).ns, 0); /* it came when that was over */
}

/* A new one that came in this turn: since when is not known, so all of it may be. */
static void test_a_new_one_whose_time_is_not_known(void **state)
{
    (void)state;
    delay_add(SLOW, SLOW, 10 * MS, 30 * MS);
    delay_end_turn(&delay, 31 * MS);
    poll_began_ns = 31 * MS;
    assert_int_equal(suffer(32 * MS, true).upper_ns, 20 * MS);
}

static void test_it_is_forgotten(void **state)
{
    (void)state;
    delay_add(SLOW, SLOW, 10 * MS, 30 * MS);
    delay_end_turn(&delay, 31 * MS);
    delay_end_turn(&delay, 130 * MS);
    assert_int_equal(task_self.delay_until_ns, 30 * MS);
    delay_end_turn(&delay, 131 * MS);
    assert_int_equal(task_self.delay_until_ns, 0);
    poll_began_ns = 200 * MS;
    assert_int_equal(suffer(12 * MS, true).ns, 0);
}

/* More than are remembered: the latest count. */
static void test_many(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < DELAY_RUNS_MAX + 4; i++) {
        delay_add(SLOW, SLOW, i * 10 * MS, (i * 10 + 5) * MS);
    }
    assert_int_equal(suffer(0, false).ns, DELAY_RUNS_MAX * 5 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_was_slow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_the_same_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_behind_two_the_longer_one_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_waits_behind_himself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_once_a_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_the_next_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_one_whose_time_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_new_one_whose_time_is_not_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_forgotten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
