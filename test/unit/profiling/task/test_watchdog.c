/* SPDX-License-Identifier: MIT
 *
 * test_watchdog.c - callbacks that hold the loop, burning or sleeping: the time they held it, and
 * where they were. The times are compared with what the callbacks measured. What a stall is made of
 * is tested with samples made up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "profiling/task/watchdog.c"
#undef calloc

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/code/symbol.h"
#include "profiling/code/synthetic.h"
#include "profiling/profiler.h"
#include "profiling/task/block.h"
#include "profiling/write/source.h"
#include "test/unit/support/exact_signals.h"
#include "test/unit/support/source_rig.h"

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

__attribute__((noinline)) static void sleep_in_callback(uint64_t ns)
{
    const struct timespec time = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
    assert_int_equal(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL), 0);
    __asm__ volatile("");
}

static void (*hold)(uint64_t ns);

static void on_timer(uv_timer_t *timer)
{
    const uint64_t start_ns = clock_now_ns();
    struct task task = {0};
    assert_int_equal(task_start(&task, "http", start_ns, NULL), 0);
    task_describe(&task, "http", label, NULL);
    struct task *previous = task_enter(&task);
    hold(HOLD_NS);
    task_leave(previous);
    task_end(&task);
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
        struct symbol_result symbol;
        symbol_lookup(frames[i], &symbol);
        if (symbol.entry == (uintptr_t)function) {
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

static void test_a_deaf_thread_is_counted_without_a_stack(void **state)
{
    (void)state;
    sigset_t set;
    sigset_t before;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPROF);
    (void)pthread_sigmask(SIG_BLOCK, &set, &before);
    hold_by(burn);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    source_rig_take(rig, &source_block);
    const struct watchdog_stats stats = block_get_stats().watchdog;
    assert_true(stats.unsampled >= 1);
    assert_true(stats.failures >= 1);
    int64_t unsampled_ns = 0;
    for (size_t i = 0; i < rig->take.stacks.sample_count; i++) {
        const struct stacks_sample *sample = &rig->take.stacks.samples[i];
        uint64_t frames[STACKS_FRAMES_MAX];
        (void)stacks_read(&rig->take.stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
        unsampled_ns += frames[0] == synthetic_state("not sampled") ? sample->values[1] : 0;
    }
    assert_true(unsampled_ns >= (int64_t)held_ns);
}

/* --- made up samples: the thread never takes any of its own --- */

#define NEVER_MS 3600000

static int set_up_quiet(void **state)
{
    rig = NULL;
    const int status = source_rig_set_up_with(state, NEVER_MS);
    rig = *state;
    return status;
}

static void put_sample(uint64_t turn, uint64_t at_ns, uint64_t frame, uint32_t its_label)
{
    watchdog->stack.frame_count = 1;
    watchdog->stack.frames[0] = frame;
    watchdog->stack.owner.label = its_label;
    keep_sample(watchdog, turn, at_ns);
}

static const struct stacks_sample *find_leaf(uint64_t frame)
{
    for (size_t i = 0; i < rig->take.stacks.sample_count; i++) {
        const struct stacks_sample *sample = &rig->take.stacks.samples[i];
        uint64_t frames[2];
        assert_int_equal(stacks_read(&rig->take.stacks, sample->leaf, frames, 2), 2);
        if (frames[0] == frame) {
            return sample;
        }
    }
    return NULL;
}

static void test_the_delay_is_shared_by_what_is_nearest(void **state)
{
    (void)state;
    put_sample(1, 5, 7, label); /* of another turn: forgotten */
    put_sample(2, 20, 100, label);
    put_sample(2, 40, 200, label);
    put_sample(2, 60, 100, label);
    on_stall(2, 90);
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 2);
    assert_int_equal(find_leaf(100)->values[0], 1);
    assert_int_equal(find_leaf(100)->values[1], 30 + 40);
    assert_int_equal(find_leaf(200)->values[0], 0);
    assert_int_equal(find_leaf(200)->values[1], 20);
    assert_int_equal(source_block.count(), 2);
}

static void test_a_stall_that_was_sampled_too_late_has_no_stack(void **state)
{
    (void)state;
    put_sample(2, 20, 100, label);
    on_stall(3, 90);
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 1);
    assert_int_equal(find_leaf(synthetic_state("not sampled"))->values[1], 90);
    assert_int_equal(block_get_stats().watchdog.unsampled, 1);
}

static void test_a_long_stall_keeps_its_first_samples(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < WATCHDOG_SAMPLES_MAX + 10; i++) {
        put_sample(1, 2 * i + 2, i + 1, label);
    }
    on_stall(1, 1000);
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, WATCHDOG_SAMPLES_MAX);
    assert_true(find_leaf(WATCHDOG_SAMPLES_MAX)->values[1] ==
                1000 - (2 * WATCHDOG_SAMPLES_MAX - 1));
}

static void test_stacks_that_find_no_room_are_other(void **state)
{
    (void)state;
    const uint64_t extra = 10;
    const uint64_t room = WATCHDOG_STALLS_MAX - 2; /* two are stand-ins */
    for (uint64_t i = 0; i < room + extra; i++) {
        put_sample(i + 1, 1, i + 1, label);
        on_stall(i + 1, 3);
    }
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, room + 1);
    assert_int_equal(find_leaf(synthetic_state("other"))->values[0], extra);
    assert_int_equal(find_leaf(synthetic_state("other"))->values[1], 3 * extra);
    assert_int_equal(block_get_stats().dropped, extra);
}

static void test_without_memory_nothing_starts(void **state)
{
    (void)state;
    profiler_stop();
    const struct profiler_options options = {
        .loop = rig->loop, .pool = pool_rig_get(), .block_ms = NEVER_MS};
    allocations_left = 0;
    assert_int_equal(profiler_start(&options), UV_ENOMEM);
    allocations_left = SIZE_MAX;
    assert_int_equal(profiler_start(&options), 0);
}

/* --- start and stop --- */

static void test_started_and_stopped_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        profiler_stop();
        const struct profiler_options options = {
            .loop = rig->loop, .pool = pool_rig_get(), .block_ms = 1};
        assert_int_equal(profiler_start(&options), 0);
    }
    assert_int_equal(block_get_stats().watchdog.stalls, 0);
}

static void test_without_a_threshold_nobody_watches(void **state)
{
    (void)state;
    profiler_stop();
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = rig->loop, .pool = pool_rig_get()}), 0);
    hold_by(burn);
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 0);
    assert_int_equal(block_get_stats().watchdog.stalls, 0);
}

#define WATCHDOG_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, source_rig_tear_down)

#define QUIET_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_quiet, source_rig_tear_down)

int main(void)
{
    label = label_intern(STR("/stalls/:id"), "GET");
    const struct CMUnitTest tests[] = {
        WATCHDOG_TEST(test_a_callback_that_burns),
        WATCHDOG_TEST(test_a_callback_that_sleeps),
        WATCHDOG_TEST(test_a_deaf_thread_is_counted_without_a_stack),
        QUIET_TEST(test_the_delay_is_shared_by_what_is_nearest),
        QUIET_TEST(test_a_stall_that_was_sampled_too_late_has_no_stack),
        QUIET_TEST(test_a_long_stall_keeps_its_first_samples),
        QUIET_TEST(test_stacks_that_find_no_room_are_other),
        QUIET_TEST(test_without_memory_nothing_starts),
        WATCHDOG_TEST(test_started_and_stopped_again_and_again),
        WATCHDOG_TEST(test_without_a_threshold_nobody_watches),
    };
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
