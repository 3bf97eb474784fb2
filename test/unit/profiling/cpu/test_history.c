/* SPDX-License-Identifier: MIT
 *
 * test_history.c - the past can be asked for, as far as it is kept; readers, captures and the end
 * come at any moment.
 *
 * history.c is included with an allocator that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "profiling/cpu/history.c"
#undef calloc

#include "profiling/cpu/cpu.h"
#include "test/unit/profiling/cpu/capture_rig.h"

#define WINDOW_MS      100
#define SAMPLED_CPU_NS (300 * NS_PER_MS) /* five samples of HISTORY_HZ */

static __attribute__((noinline)) void burn_before(void)
{
    for (uint64_t i = 0; i < 100000; i++) {
        sink = sink + i;
    }
}

static __attribute__((noinline)) void burn_after(void)
{
    for (uint64_t i = 0; i < 100000; i++) {
        sink = sink - i;
    }
}

static int start(void **state)
{
    (void)state;
    rig_open(burn_before);
    assert_int_equal(code_start(loop, pool_rig_get()), 0);
    assert_int_equal(sampler_start(loop, NULL), 0);
    cpu_init(loop, pool_rig_get());
    return 0;
}

static int stop(void **state)
{
    (void)state;
    history_stop();
    cpu_deinit();
    sampler_stop();
    code_stop();
    rig_close();
    assert_int_equal(history.read_count, 0);
    return 0;
}

static void begin(size_t windows, uint64_t window_ms, size_t bytes_max)
{
    const struct history_options options = {.loop = loop,
                                            .pool = pool_rig_get(),
                                            .windows = windows,
                                            .window_ms = window_ms,
                                            .bytes_max = bytes_max};
    assert_int_equal(history_start(&options), 0);
    assert_true(history_is_on());
    assert_int_equal(history_get_span_ns(), 0);
    while (history_get_span_ns() == 0) {
        turn();
    }
}

/* Turns the loop until there are so many windows; the time before the turn that ended the last. */
static uint64_t turn_until_windows(uint64_t count)
{
    uint64_t before_ns = clock_now_ns();
    while (history_get_stats().windows < count) {
        before_ns = clock_now_ns();
        turn();
    }
    return before_ns;
}

static uint64_t thread_cpu_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* As turn_until_windows, with windows added until this thread has burned enough to be sampled. */
static uint64_t burn_windows(uint64_t count)
{
    const uint64_t enough_ns = thread_cpu_ns() + SAMPLED_CPU_NS;
    uint64_t end_ns = turn_until_windows(count);
    while (thread_cpu_ns() < enough_ns) {
        end_ns = turn_until_windows(history_get_stats().windows + 1);
    }
    return end_ns;
}

static struct history_read *ask(uint64_t from_ns, uint64_t to_ns)
{
    struct history_read *read;
    done.calls = 0;
    const int status = history_read(
        &(struct history_interval){.start_ns = from_ns, .end_ns = to_ns}, on_done, &done, &read);
    assert_int_equal(status, 0);
    assert_int_equal(done.calls, 0);
    return read;
}

static void wait_done(int calls)
{
    while (done.calls < calls) {
        turn();
    }
}

static bool has_function(const char *name)
{
    for (size_t i = 0; i < done.message->n_function; i++) {
        if (strcmp(text(done.message->function[i]->name), name) == 0) {
            return true;
        }
    }
    return false;
}

static int64_t total(size_t value)
{
    int64_t sum = 0;
    for (size_t i = 0; i < done.message->n_sample; i++) {
        sum += done.message->sample[i]->value[value];
    }
    return sum;
}

static void test_the_past_is_what_was_then(void **state)
{
    (void)state;
    begin(1000, WINDOW_MS, HISTORY_BYTES_MAX);
    const uint64_t start_ns = clock_now_ns();
    const uint64_t switch_ns = burn_windows(5);
    const uint64_t windows = history_get_stats().windows;
    burn = burn_after;
    (void)turn_until_windows(windows + 1); /* one may have samples of both */
    const uint64_t end_ns = burn_windows(windows + 5);
    (void)ask(start_ns, switch_ns);
    wait_done(1);
    assert_int_equal(done.status, 0);
    assert_int_equal(done.message->duration_nanos, switch_ns - start_ns);
    assert_int_equal(done.message->period, 1000000000 / HISTORY_HZ);
    char counted[32];
    (void)snprintf(counted, sizeof(counted), "windows: %" PRIu64 "; ", windows);
    assert_non_null(strstr(text(done.message->comment[0]), counted));
    if (HAS_EXACT_SIGNALS) {
        assert_true(has_function("test_history.burn_before"));
        assert_false(has_function("test_history.burn_after"));
    }
    const int64_t first_ns = done.message->time_nanos;
    (void)ask(switch_ns + WINDOW_MS * NS_PER_MS, end_ns);
    wait_done(1);
    assert_true(done.message->time_nanos > first_ns);
    assert_true(!HAS_EXACT_SIGNALS || has_function("test_history.burn_after"));
}

static void test_the_present_window_is_part_of_it(void **state)
{
    (void)state;
    begin(2, 3600000, HISTORY_BYTES_MAX);
    const uint64_t start_ns = clock_now_ns();
    while (history.window.samples < 3) {
        sampler_drain();
        turn();
    }
    (void)ask(start_ns, clock_now_ns());
    wait_done(1);
    assert_int_equal(done.status, 0);
    assert_true(total(0) >= 3);
    assert_int_equal(total(1), total(0) * done.message->period);
    assert_int_equal(history_get_stats().windows, 0); /* it is still being filled */
}

static void test_the_ring_is_bounded(void **state)
{
    (void)state;
    begin(3, 10, HISTORY_BYTES_MAX);
    (void)turn_until_windows(3);
    const uint64_t first_ns = window_at(0)->start_ns;
    while (window_at(0)->start_ns < first_ns + 100 * NS_PER_MS) {
        turn();
        assert_in_range(history_get_stats().windows, 2, 3);
    }
    for (size_t i = 1; i < history.count; i++) {
        assert_int_equal(window_at(i)->start_ns, window_at(i - 1)->end_ns); /* no gap */
    }
    struct history_read *read;
    const uint64_t before_ns = window_at(0)->start_ns - 1;
    assert_int_equal(history_read(&(struct history_interval){.start_ns = before_ns,
                                                             .end_ns = before_ns + NS_PER_S},
                                  on_done, &done, &read),
                     UV_ERANGE);
}

static void test_its_memory_is_bounded(void **state)
{
    (void)state;
    begin(40, 200, 1);
    const uint64_t wanted = history.samples + 20;
    while (history.samples < wanted) { /* each window with samples goes when it is full */
        turn();
        assert_true(history.bytes <= 1);
    }
    assert_true(history_get_stats().windows < 40);
}

static void test_empty_windows_cost_nothing(void **state)
{
    (void)state;
    burn = NULL;
    begin(50, 1, HISTORY_BYTES_MAX);
    const uint64_t start_ns = clock_now_ns();
    (void)turn_until_windows(20);
    size_t empty = 0;
    for (size_t i = 0; i < history.count; i++) {
        empty += history_window_bytes(window_at(i)) == 0;
    }
    assert_true(empty > 0); /* a sample is 52 ms of CPU time */
    (void)ask(start_ns, start_ns + 1);
    wait_done(1);
    assert_int_equal(done.status, 0);
}

static int64_t live_ns;

static void on_live(void *arg, int status, const char *data, size_t len)
{
    assert_int_equal(status, 0);
    keep_message(data, len);
    live_ns = total(1);
    *(int *)arg = 1;
}

static void test_a_capture_beside_it_takes_nothing_away(void **state)
{
    (void)state;
    int is_done = 0;
    struct cpu_capture *capture;
    begin(1000, WINDOW_MS, HISTORY_BYTES_MAX);
    (void)turn_until_windows(2);
    const uint64_t start_ns = clock_now_ns();
    assert_int_equal(
        cpu_start(&(struct cpu_options){.seconds = 1, .hz = 100}, on_live, &is_done, &capture), 0);
    (void)turn_until_windows(4);
    (void)ask(start_ns, clock_now_ns());
    while (is_done == 0) {
        turn();
    }
    wait_done(1);
    const uint64_t end_ns = clock_now_ns();
    (void)turn_until_windows(history_get_stats().windows + 2);
    (void)ask(start_ns, end_ns);
    wait_done(1);
    assert_int_equal(done.status, 0);
    if (HAS_EXACT_SIGNALS) {
        assert_true(live_ns > 0 && total(1) >= live_ns);
        assert_true(has_function("test_history.burn_before"));
    }
}

static void test_readers_come_and_go(void **state)
{
    (void)state;
    struct history_read *reads[HISTORY_READS_MAX];
    struct history_read *more;
    begin(1000, WINDOW_MS, HISTORY_BYTES_MAX);
    const uint64_t start_ns = clock_now_ns();
    (void)turn_until_windows(3);
    for (size_t i = 0; i < ARRAY_COUNT(reads); i++) {
        reads[i] = ask(start_ns, clock_now_ns());
    }
    assert_int_equal(
        history_read(&(struct history_interval){.start_ns = start_ns, .end_ns = start_ns + 1},
                     on_done, &done, &more),
        UV_EBUSY);
    history_cancel(reads[0]);
    while (!reads[1]->is_encoding) {
        turn();
    }
    history_cancel(reads[1]);
    history_cancel(ask(start_ns, clock_now_ns()));
    wait_done(2);
    while (history.read_count > 0) {
        turn();
    }
    assert_int_equal(done.calls, 2);
    (void)ask(start_ns, clock_now_ns());
    wait_done(1);
}

static void test_stopped_at_any_moment_it_is_silent(void **state)
{
    (void)state;
    const struct history_options options = {.loop = loop,
                                            .pool = pool_rig_get(),
                                            .windows = 5,
                                            .window_ms = 10,
                                            .bytes_max = HISTORY_BYTES_MAX};
    for (unsigned turns = 0; turns < 60; turns++) {
        assert_int_equal(history_start(&options), 0);
        for (unsigned i = 0; i < turns; i++) {
            turn();
        }
        if (history_get_span_ns() > 0) {
            (void)ask(clock_now_ns() - history_get_span_ns() / 2, clock_now_ns());
        }
        for (unsigned i = 0; i < turns / 4; i++) {
            turn();
        }
        history_stop();
        history_stop(); /* harmless */
        assert_false(history_is_on());
        const int calls = done.calls;
        for (unsigned i = 0; i < 5; i++) {
            turn();
        }
        assert_int_equal(done.calls, calls);
    }
}

static void test_libraries_are_looked_for_now_and_then(void **state)
{
    (void)state;
    begin(5, 1, HISTORY_BYTES_MAX);
    while (!history.is_refreshing) {
        turn();
    }
    while (history.is_refreshing) {
        turn();
    }
    assert_in_range(history.until_refresh, 1, REFRESH_WINDOWS);
}

static void test_without_memory_it_loses_samples_and_says_so(void **state)
{
    (void)state;
    const struct history_options options = {.loop = loop,
                                            .pool = pool_rig_get(),
                                            .windows = 5,
                                            .window_ms = WINDOW_MS,
                                            .bytes_max = HISTORY_BYTES_MAX};
    allocations_left = 0;
    assert_int_equal(history_start(&options), UV_ENOMEM);
    assert_false(history_is_on());
    allocations_left = SIZE_MAX;
    begin(5, WINDOW_MS, HISTORY_BYTES_MAX);
    allocations_left = 0;
    const uint64_t before = history_get_stats().lost;
    while (history_get_stats().lost == before) {
        turn();
    }
    struct history_read *read;
    assert_int_equal(
        history_read(&(struct history_interval){.start_ns = clock_now_ns(), .end_ns = UINT64_MAX},
                     on_done, &done, &read),
        UV_ENOMEM);
    allocations_left = SIZE_MAX;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_past_is_what_was_then, start, stop),
        cmocka_unit_test_setup_teardown(test_the_present_window_is_part_of_it, start, stop),
        cmocka_unit_test_setup_teardown(test_the_ring_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(test_its_memory_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(test_empty_windows_cost_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_a_capture_beside_it_takes_nothing_away, start, stop),
        cmocka_unit_test_setup_teardown(test_readers_come_and_go, start, stop),
        cmocka_unit_test_setup_teardown(test_stopped_at_any_moment_it_is_silent, start, stop),
        cmocka_unit_test_setup_teardown(test_libraries_are_looked_for_now_and_then, start, stop),
        cmocka_unit_test_setup_teardown(test_without_memory_it_loses_samples_and_says_so, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
