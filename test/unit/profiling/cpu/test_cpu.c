/* SPDX-License-Identifier: MIT
 *
 * test_cpu.c - captures of this process on a real loop: what is in them, one at a time, cancelled
 * in every state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "core/task/task.h"
#include "profiling/cpu/cpu.h"
#include "profiling/profiler.h"
#include "test/unit/profiling/cpu/capture_rig.h"

static uint32_t burn_label;

static void burn_labelled(void)
{
    (void)task_swap_label(burn_label);
    for (uint64_t i = 0; i < 100000; i++) {
        sink = sink + i;
    }
    (void)task_swap_label(LABEL_NONE);
}

static int start(void **state)
{
    (void)state;
    rig_open(burn_labelled);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    return 0;
}

/* Turns the loop until something was counted. */
static void turn_until(const int *count)
{
    while (*count == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
}

static void on_tick(uv_timer_t *timer)
{
    int *ticks = timer->data;
    (*ticks)++;
}

/* Turns the loop for some time: long enough for workers to come home. */
static void turn_for_ms(uint64_t ms)
{
    uv_timer_t timer;
    int ticks = 0;
    assert_int_equal(uv_timer_init(loop_uv(loop), &timer), 0);
    timer.data = &ticks;
    assert_int_equal(uv_timer_start(&timer, on_tick, ms, 0), 0);
    turn_until(&ticks);
    uv_close((uv_handle_t *)&timer, NULL);
    turn();
}

static int stop(void **state)
{
    (void)state;
    profiler_stop();
    burn = NULL;
    turn_for_ms(1);
    rig_close();
    return 0;
}

static struct cpu_capture *begin(void)
{
    struct cpu_capture *capture;
    assert_int_equal(
        cpu_start(&(struct cpu_options){.seconds = 1, .hz = 100}, on_done, &done, &capture), 0);
    assert_int_equal(done.calls, 0);
    return capture;
}

static const char *outermost_function(const Pprof__Sample *sample)
{
    uint64_t id = sample->location_id[sample->n_location_id - 1];
    const Pprof__Location *location = done.message->location[id - 1];
    const Pprof__Line *line = location->line[location->n_line - 1];
    return text(done.message->function[line->function_id - 1]->name);
}

static bool has_label(const Pprof__Sample *sample, const char *key, const char *value)
{
    for (size_t i = 0; i < sample->n_label; i++) {
        if (strcmp(text(sample->label[i]->key), key) == 0 &&
            strcmp(text(sample->label[i]->str), value) == 0) {
            return true;
        }
    }
    return false;
}

static int64_t count_labelled(const char *key, const char *value)
{
    int64_t sum = 0;
    for (size_t i = 0; i < done.message->n_sample; i++) {
        const Pprof__Sample *sample = done.message->sample[i];
        sum += has_label(sample, key, value) ? sample->value[0] : 0;
    }
    return sum;
}

static void test_a_capture_sees_what_burns(void **state)
{
    (void)state;
    (void)begin();
    turn_until(&done.calls);
    assert_int_equal(done.calls, 1);
    assert_int_equal(done.status, 0);
    assert_true(done.message->n_sample > 0);
    assert_int_equal(done.message->period, 10000000);
    assert_true(done.message->duration_nanos >= 990000000); /* libuv counts whole milliseconds */
    assert_true(done.message->time_nanos > 0);
    for (size_t i = 0; i < done.message->n_sample; i++) {
        const Pprof__Sample *sample = done.message->sample[i];
        assert_int_equal(sample->value[1], sample->value[0] * done.message->period);
    }
    if (HAS_EXACT_SIGNALS) {
        assert_true(count_labelled("route", "/burn/:id") > 0);
        assert_true(count_labelled("method", "GET") > 0);
    }
    assert_int_equal(cpu_get_stats().captures, 1);
}

static void test_stacks_reach_the_threads_start(void **state)
{
    (void)state;
    (void)begin();
    turn_until(&done.calls);
    int64_t rooted = 0;
    int64_t all = 0;
    for (size_t i = 0; i < done.message->n_sample; i++) {
        const Pprof__Sample *sample = done.message->sample[i];
        if (!HAS_EXACT_SIGNALS || has_label(sample, "route", "/burn/:id")) {
            all += sample->value[0];
            rooted += strcmp(outermost_function(sample), "_start") == 0 ? sample->value[0] : 0;
        }
    }
    assert_true(all > 0);
    assert_true(rooted * 100 >=
                all * (HAS_EXACT_SIGNALS ? 95 : 0)); /* late ones: any stack will do */
}

static void test_a_second_capture_is_refused(void **state)
{
    (void)state;
    struct cpu_capture *second;
    struct cpu_capture *first = begin();
    assert_int_equal(
        cpu_start(&(struct cpu_options){.seconds = 1, .hz = 100}, on_done, &done, &second),
        UV_EBUSY);
    cpu_cancel(first);
    assert_int_equal(
        cpu_start(&(struct cpu_options){.seconds = 1, .hz = 100}, on_done, &done, &second), 0);
    cpu_cancel(second);
}

static void test_cancelled_before_the_window_it_is_silent(void **state)
{
    (void)state;
    cpu_cancel(begin());
    turn_for_ms(50);
    assert_int_equal(done.calls, 0);
}

static void test_cancelled_in_the_window_it_is_silent(void **state)
{
    (void)state;
    struct cpu_capture *capture = begin();
    turn_for_ms(500); /* the table is built, the window has begun */
    cpu_cancel(capture);
    (void)begin(); /* at once */
    turn_until(&done.calls);
    assert_int_equal(done.calls, 1);
    assert_int_equal(done.status, 0);
}

static void test_stopped_in_the_window_it_is_silent(void **state)
{
    (void)state;
    (void)begin();
    turn_for_ms(500);
    profiler_stop();
    turn_for_ms(50);
    assert_int_equal(done.calls, 0);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}),
        0); /* for the teardown */
}

static void test_cancelled_at_any_moment_it_is_silent_and_leaves_room(void **state)
{
    (void)state;
    struct cpu_capture *capture = begin();
    turn_for_ms(1000); /* about the window's end: sampling or encoding, both must do */
    if (done.calls == 0) {
        cpu_cancel(capture);
    }
    int calls = done.calls;
    int status = UV_EBUSY;
    for (int i = 0; i < 100 && status == UV_EBUSY; i++) {
        turn_for_ms(50);
        status =
            cpu_start(&(struct cpu_options){.seconds = 1, .hz = 100}, on_done, &done, &capture);
    }
    assert_int_equal(status, 0);
    assert_int_equal(done.calls, calls);
    cpu_cancel(capture);
}

/* Restarted while the worker may still hold the cancelled capture. */
static void test_stopped_and_started_at_the_windows_end_it_works_again(void **state)
{
    (void)state;
    (void)begin();
    turn_for_ms(1000);
    int calls = done.calls;
    profiler_stop();
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    wait_for_workers();
    assert_int_equal(done.calls, calls);
    cpu_cancel(begin());
}

static _Atomic bool is_deep_done;

/* So deep that 128 KiB, a thread's ring, hold some 120 samples. */
static __attribute__((noinline)) void burn_deep(unsigned depth)
{
    if (depth > 0) {
        burn_deep(depth - 1);
    }
    for (uint64_t i = 0; depth == 0 && !is_deep_done; i++) {
        sink = sink + i;
    }
    sink = sink + depth; /* no call in tail position */
}

static void *run_deep(void *arg)
{
    burn_deep(200);
    return arg;
}

static uint64_t read_cpu_ns(pthread_t thread)
{
    clockid_t clock;
    struct timespec ts;
    assert_int_equal(pthread_getcpuclockid(thread, &clock), 0);
    assert_int_equal(clock_gettime(clock, &ts), 0);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The loop is held while a thread burns: nobody drains its ring. */
static void test_what_was_lost_is_a_stack_of_its_own(void **state)
{
    (void)state;
    pthread_t thread;
    is_deep_done = false;
    assert_int_equal(pthread_create(&thread, NULL, run_deep, NULL), 0);
    struct cpu_capture *capture;
    assert_int_equal(
        cpu_start(&(struct cpu_options){.seconds = 1, .hz = 1000}, on_done, &done, &capture), 0);
    const uint64_t before_ns = cpu_get_stats().handler_ns;
    while (cpu_get_stats().handler_ns == before_ns) {
        turn(); /* until the window has begun */
    }
    turn_for_ms(200); /* until the thread has its timer: of many only some get theirs at a time */
    const uint64_t start_ns = read_cpu_ns(thread);
    while (read_cpu_ns(thread) - start_ns < 2 * NS_PER_S) { /* a kernel may tick at 100 Hz, too */
    }
    is_deep_done = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    turn_until(&done.calls);
    assert_int_equal(done.status, 0);
    int64_t lost = 0;
    for (size_t i = 0; i < done.message->n_sample; i++) {
        const Pprof__Sample *sample = done.message->sample[i];
        if (strcmp(outermost_function(sample), "lostProfileEvent") == 0) {
            assert_int_equal(sample->value[1], sample->value[0] * done.message->period);
            lost += sample->value[0];
        }
    }
    assert_true(!HAS_EXACT_SIGNALS || lost > 0);
    assert_true(!HAS_EXACT_SIGNALS || (uint64_t)lost == cpu_get_stats().lost);
}

static void test_foreign_and_late_signals_do_nothing(void **state)
{
    (void)state;
    turn_for_ms(1);
    uint64_t before = cpu_get_stats().samples;
    errno = 7;
    assert_int_equal(raise(SIGPROF), 0);
    union sigval value = {.sival_ptr = NULL};
    assert_int_equal(pthread_sigqueue(pthread_self(), SIGPROF, value), 0);
    assert_int_equal(errno, 7);
    assert_int_equal(cpu_get_stats().samples, before);
}

int main(void)
{
    burn_label = label_intern(STR("/burn/:id"), "GET");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_capture_sees_what_burns, start, stop),
        cmocka_unit_test_setup_teardown(test_stacks_reach_the_threads_start, start, stop),
        cmocka_unit_test_setup_teardown(test_a_second_capture_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_cancelled_before_the_window_it_is_silent, start, stop),
        cmocka_unit_test_setup_teardown(test_cancelled_in_the_window_it_is_silent, start, stop),
        cmocka_unit_test_setup_teardown(test_stopped_in_the_window_it_is_silent, start, stop),
        cmocka_unit_test_setup_teardown(test_cancelled_at_any_moment_it_is_silent_and_leaves_room,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_stopped_and_started_at_the_windows_end_it_works_again,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_what_was_lost_is_a_stack_of_its_own, start, stop),
        cmocka_unit_test_setup_teardown(test_foreign_and_late_signals_do_nothing, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
