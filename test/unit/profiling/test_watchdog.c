/* SPDX-License-Identifier: MIT
 *
 * test_watchdog.c - callbacks that hold the loop, burning or sleeping: the time they held it, and
 * where they were. The times are compared with what the callbacks measured.
 *
 * ThreadSanitizer hands signals over when the thread next calls the C library, with a stale stack:
 * what a stack contains is only asserted without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/loop/task.h"
#include "profiling/block.h"
#include "profiling/code.h"
#include "profiling/profiler.h"
#include "profiling/source.h"
#include "profiling/synthetic.h"
#include "test/unit/support/source_rig.h"

#if defined(__SANITIZE_THREAD__)
#define HAS_EXACT_SIGNALS false
#else
#define HAS_EXACT_SIGNALS true
#endif

#define THRESHOLD_MS 20
#define HOLD_NS      (200 * NS_PER_MS)

static uint32_t label;
static uint64_t held_ns; /* by the callbacks below, as they measured it */
static struct source_rig *rig;

__attribute__((noinline)) static void burn(uint64_t ns)
{
    const uint64_t end_ns = clock_now_ns() + ns;
    while (clock_now_ns() < end_ns) {
    }
    __asm__ volatile("");
}

/* A signal ends it early, so it goes on until the time is over. */
__attribute__((noinline)) static void sleep_in_callback(uint64_t ns)
{
    const uint64_t end_ns = clock_now_ns() + ns;
    const struct timespec end = {(time_t)(end_ns / NS_PER_S), (long)(end_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR) {
    }
    __asm__ volatile("");
}

static void (*hold)(uint64_t ns);

static void on_timer(uv_timer_t *timer)
{
    const uint64_t start_ns = clock_now_ns();
    const uint32_t previous = task_swap_label(label);
    hold(HOLD_NS);
    (void)task_swap_label(previous);
    held_ns = clock_now_ns() - start_ns;
    uv_close((uv_handle_t *)timer, NULL);
}

static void hold_by(void (*function)(uint64_t))
{
    uv_timer_t timer;
    hold = function;
    held_ns = 0;
    assert_int_equal(uv_timer_init(loop_uv(rig->loop), &timer), 0);
    assert_int_equal(uv_timer_start(&timer, on_timer, 1, 0), 0);
    loop_run(rig->loop);
    assert_true(held_ns >= HOLD_NS);
}

static void on_ready(struct code_wait *wait, int status)
{
    (void)wait;
    assert_int_equal(status, 0);
    loop_stop(rig->loop);
}

static int set_up(void **state)
{
    const int status = source_rig_set_up_with(state, THRESHOLD_MS);
    struct code_wait wait = {.done = on_ready};
    rig = *state;
    assert_int_equal(code_refresh(&wait), 0);
    loop_run(rig->loop);
    return status;
}

static bool is_in(const struct stacks_sample *sample, void (*function)(uint64_t))
{
    uint64_t frames[STACKS_FRAMES_MAX];
    const size_t count = stacks_read(&rig->take.stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (frames[i] > (uintptr_t)function && frames[i] < (uintptr_t)function + 256) {
            assert_int_equal(frames[count - 1], synthetic_route(label));
            return true;
        }
    }
    return false;
}

/* Holds the loop, and finds the delay under the function. The turn began
 * before the callback's own measurement and ended after it. */
static void hold_and_take(void (*function)(uint64_t))
{
    hold_by(function);
    source_rig_take(rig, &source_block);
    int64_t under_ns = 0;
    int64_t all_ns = 0;
    int64_t count = 0;
    for (size_t i = 0; i < rig->take.stacks.sample_count; i++) {
        const struct stacks_sample *sample = &rig->take.stacks.samples[i];
        if (is_in(sample, function)) {
            under_ns += sample->values[1];
            count += sample->values[0];
            assert_int_equal(sample->labels.label, label);
            assert_string_equal(sample->labels.state, "stall");
        }
        all_ns += sample->values[1];
    }
    assert_true(all_ns >= (int64_t)held_ns);
    if (HAS_EXACT_SIGNALS) {
        assert_true(under_ns >= (int64_t)held_ns * 9 / 10);
        assert_true(count <=
                    1); /* of one stall, whose first stack may be another on a busy machine */
    }
}

static void test_a_callback_that_burns(void **state)
{
    (void)state;
    hold_and_take(burn);
    const struct watchdog_stats stats = block_get_stats().watchdog;
    assert_true(stats.stalls >= 1);
    assert_true(stats.samples >= 1 || !HAS_EXACT_SIGNALS);
    assert_true(source_block.count() >= 1);
}

static void test_a_callback_that_sleeps(void **state)
{
    (void)state;
    hold_and_take(sleep_in_callback);
}

static void test_started_and_stopped_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        profiler_stop();
        const struct profiler_options options = {.loop = rig->loop, .block_ms = 1};
        assert_int_equal(profiler_start(&options), 0);
    }
    assert_int_equal(block_get_stats().watchdog.stalls, 0);
}

static void test_without_a_threshold_nobody_watches(void **state)
{
    (void)state;
    profiler_stop();
    assert_int_equal(profiler_start(&(struct profiler_options){.loop = rig->loop}), 0);
    hold_by(burn);
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 0);
    assert_int_equal(block_get_stats().watchdog.stalls, 0);
}

#define WATCHDOG_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, source_rig_tear_down)

int main(void)
{
    label = label_intern(STR("/stalls/:id"), "GET");
    const struct CMUnitTest tests[] = {
        WATCHDOG_TEST(test_a_callback_that_burns),
        WATCHDOG_TEST(test_a_callback_that_sleeps),
        WATCHDOG_TEST(test_started_and_stopped_again_and_again),
        WATCHDOG_TEST(test_without_a_threshold_nobody_watches),
    };
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
