/* SPDX-License-Identifier: MIT
 *
 * test_wheel.c - timers fire once, in time, never early, whatever callbacks do to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/loop/wheel.h"

#define START_MS UINT64_C(1234567)
#define TURN_MS  ((uint64_t)WHEEL_SLOT_COUNT * WHEEL_TICK_MS)

struct probe {
    struct wheel_timer timer;
    unsigned fired;
    uint64_t fired_ms;
    struct wheel_timer *victim; /* unset when this one fires */
    uint64_t again_ms;          /* set again to so much later; 0: not */
};

static struct wheel wheel;
static uint64_t now_ms;

static void on_fire(struct wheel_timer *timer)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);
    probe->fired++;
    probe->fired_ms = now_ms;
    if (probe->victim != NULL) {
        wheel_unset(probe->victim);
    }
    if (probe->again_ms != 0) {
        wheel_set(&wheel, timer, now_ms + probe->again_ms);
    }
}

static void probe_init(struct probe *probe)
{
    *probe = (struct probe){0};
    wheel_timer_init(&probe->timer, on_fire);
}

static int setup(void **state)
{
    (void)state;
    now_ms = START_MS;
    wheel_init(&wheel, now_ms);
    return 0;
}

static void advance_to(uint64_t to_ms, uint64_t step_ms)
{
    while (now_ms < to_ms) {
        now_ms = now_ms + step_ms < to_ms ? now_ms + step_ms : to_ms;
        wheel_advance(&wheel, now_ms);
    }
}

static void test_never_early_and_late_by_less_than_a_tick(void **state)
{
    static const uint64_t timeouts_ms[] = {
        0, 1, 99, 100, 101, 5000, TURN_MS - 1, TURN_MS, TURN_MS + 1, 3 * TURN_MS + 17};
    for (size_t i = 0; i < ARRAY_COUNT(timeouts_ms); i++) {
        (void)setup(state);
        struct probe probe;
        probe_init(&probe);
        const uint64_t deadline_ms = START_MS + timeouts_ms[i];
        wheel_set(&wheel, &probe.timer, deadline_ms);
        advance_to(deadline_ms + 2 * WHEEL_TICK_MS, 1);
        assert_int_equal(probe.fired, 1);
        assert_true(probe.fired_ms >= deadline_ms);
        assert_true(probe.fired_ms <= deadline_ms + WHEEL_TICK_MS);
    }
}

static void test_a_deadline_moves_both_ways(void **state)
{
    (void)state;
    struct probe probe;
    probe_init(&probe);
    wheel_set(&wheel, &probe.timer, START_MS + 1000);
    wheel_set(&wheel, &probe.timer, START_MS + 9000); /* stays in its slot until that comes */
    advance_to(START_MS + 8999, 50);
    assert_int_equal(probe.fired, 0);
    wheel_set(&wheel, &probe.timer, START_MS + 20000);
    wheel_set(&wheel, &probe.timer, START_MS + 9500);
    advance_to(START_MS + 9600, 50);
    assert_int_equal(probe.fired, 1);
    advance_to(START_MS + 30000, 50);
    assert_int_equal(probe.fired, 1);
}

static void test_a_long_stall_fires_all_that_is_due(void **state)
{
    (void)state;
    struct probe probes[3];
    const uint64_t timeouts_ms[] = {100, 2 * TURN_MS + 300, 5 * TURN_MS + 1000};
    for (size_t i = 0; i < ARRAY_COUNT(probes); i++) {
        probe_init(&probes[i]);
        wheel_set(&wheel, &probes[i].timer, START_MS + timeouts_ms[i]);
    }
    advance_to(START_MS + 5 * TURN_MS, 5 * TURN_MS);
    assert_int_equal(probes[0].fired, 1);
    assert_int_equal(probes[1].fired, 1);
    assert_int_equal(probes[2].fired, 0);
    advance_to(START_MS + 5 * TURN_MS + 1100, 100);
    assert_int_equal(probes[2].fired, 1);
}

static void test_a_callback_unsets_a_timer_of_its_own_slot(void **state)
{
    (void)state;
    struct probe first;
    struct probe second;
    probe_init(&first);
    probe_init(&second);
    first.victim = &second.timer;
    second.victim = &first.timer;
    wheel_set(&wheel, &first.timer, START_MS + 500);
    wheel_set(&wheel, &second.timer, START_MS + 500);
    advance_to(START_MS + 1000, 100);
    assert_int_equal(first.fired + second.fired, 1);
}

static void test_a_callback_sets_its_timer_again(void **state)
{
    (void)state;
    struct probe soon;
    struct probe late;
    probe_init(&soon);
    probe_init(&late);
    soon.again_ms = 1;
    late.again_ms = TURN_MS; /* the slot that is running */
    wheel_set(&wheel, &soon.timer, START_MS);
    wheel_set(&wheel, &late.timer, START_MS);
    advance_to(START_MS + TURN_MS, WHEEL_TICK_MS);
    assert_in_range(soon.fired, WHEEL_SLOT_COUNT - 1, WHEEL_SLOT_COUNT);
    assert_int_equal(late.fired, 1);
    advance_to(START_MS + 2 * TURN_MS + WHEEL_TICK_MS, WHEEL_TICK_MS);
    assert_int_equal(late.fired, 2);
}

static void test_unset_twice_and_never_set(void **state)
{
    (void)state;
    struct probe probe;
    probe_init(&probe);
    wheel_unset(&probe.timer);
    wheel_set(&wheel, &probe.timer, START_MS + 100);
    wheel_unset(&probe.timer);
    wheel_unset(&probe.timer);
    advance_to(START_MS + TURN_MS, 100);
    assert_int_equal(probe.fired, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_early_and_late_by_less_than_a_tick),
        cmocka_unit_test_setup(test_a_deadline_moves_both_ways, setup),
        cmocka_unit_test_setup(test_a_long_stall_fires_all_that_is_due, setup),
        cmocka_unit_test_setup(test_a_callback_unsets_a_timer_of_its_own_slot, setup),
        cmocka_unit_test_setup(test_a_callback_sets_its_timer_again, setup),
        cmocka_unit_test_setup(test_unset_twice_and_never_set, setup),
    };
    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
