/* SPDX-License-Identifier: MIT
 *
 * test_history_window.c - which second a sample belongs to, as a profile and as a column.
 *
 * Tests: profiling/cpu/history_columns.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "profiling/cpu/history_columns.c"
#undef calloc

#define START_NS  (100 * NS_PER_S)
#define PERIOD_NS (50 * NS_PER_MS)

/* A sample of a stack of one frame. */
static void add(struct history_kept *kept, uint64_t frame, uint32_t label, const char *thread,
                uint32_t offset_ms)
{
    struct ring_sample sample = {.owner.label = label,
                                 .weight = 1,
                                 .period_ns = PERIOD_NS,
                                 .frame_count = 1,
                                 .is_complete = true};
    sample.frames[0] = frame;
    assert_true(history_kept_add(kept, &sample, thread, offset_ms));
}

static struct history_window window_of(struct history_kept *kept)
{
    return (struct history_window){
        .start_ns = START_NS, .end_ns = START_NS + 10 * NS_PER_S, .kept = kept};
}

/* What a part of the window adds up to. */
static uint64_t total_of(const struct history_window *window, uint64_t from_ms, uint64_t to_ms)
{
    struct stacks stacks = {0};
    const struct history_interval interval = {.start_ns = START_NS + from_ms * NS_PER_MS,
                                              .end_ns = START_NS + to_ms * NS_PER_MS};
    history_window_merge(window, &interval, &stacks);
    const uint64_t total = stacks.total;
    stacks_deinit(&stacks);
    return total;
}

static void test_each_second_has_its_samples(void **state)
{
    (void)state;
    struct history_kept kept = {0};
    add(&kept, 1, LABEL_NONE, "a", 500);
    add(&kept, 1, LABEL_NONE, "a", 500); /* the same drain: one event */
    add(&kept, 2, LABEL_NONE, "a", 500);
    add(&kept, 1, LABEL_NONE, "b", 1500);
    assert_int_equal(kept.event_count, 3);
    const struct history_window window = window_of(&kept);
    assert_int_equal(total_of(&window, 0, 1000), 3);
    assert_int_equal(total_of(&window, 1000, 2000), 1);
    assert_int_equal(total_of(&window, 2000, 10000), 0);
    assert_int_equal(total_of(&window, 0, 10000), 4);
    assert_int_equal(total_of(&window, 500, 1500), 3); /* the end is not part of it */
    history_kept_deinit(&kept);
}

static void test_the_past_of_one_trace(void **state)
{
    (void)state;
    struct history_kept kept = {0};
    struct ring_sample sample = {.weight = 1, .period_ns = PERIOD_NS, .frame_count = 1};
    sample.frames[0] = 1;
    for (uint64_t span = 1; span <= 3; span++) {
        sample.owner.trace = (struct trace_ids){.trace_id = {7, span / 3}, .span_id = span};
        assert_true(history_kept_add(&kept, &sample, "a", 500));
        assert_true(history_kept_add(&kept, &sample, "a", 500));
    }
    add(&kept, 1, LABEL_NONE, "a", 500); /* of none */
    assert_int_equal(kept.event_count, 4);
    assert_int_equal(kept.stacks.sample_count, 1);
    const struct history_window window = window_of(&kept);
    assert_int_equal(total_of(&window, 0, 1000), 7);

    struct history_interval interval = {
        .start_ns = START_NS, .end_ns = START_NS + NS_PER_S, .traces.has_labels = true};
    struct stacks stacks = {0};
    history_window_merge(&window, &interval, &stacks);
    assert_int_equal(stacks.sample_count, 4);
    assert_int_equal(stacks.total, 7);
    stacks_deinit(&stacks);
    interval.traces = (struct trace_filter){.is_one = true, .trace_id = {7, 0}};
    history_window_merge(&window, &interval, &stacks);
    assert_int_equal(stacks.sample_count, 1); /* of two spans, and without labels */
    assert_int_equal(stacks.total, 4);
    stacks_deinit(&stacks);
    history_kept_deinit(&kept);
}

static void test_a_copy_reads_the_same(void **state)
{
    (void)state;
    struct history_kept kept = {0};
    struct history_kept *copy = calloc(1, sizeof(*copy));
    add(&kept, 1, LABEL_NONE, "a", 500);
    add(&kept, 2, LABEL_NONE, "a", 1500);
    assert_true(history_kept_copy(&kept, copy));
    add(&kept, 3, LABEL_NONE, "a", 1500);
    const struct history_window window = window_of(copy);
    assert_int_equal(total_of(&window, 0, 10000), 2);
    assert_true(history_window_bytes(&window) > sizeof(*copy));
    history_window_put(&window); /* its only user */
    history_kept_deinit(&kept);
}

static void test_what_has_no_room_is_refused(void **state)
{
    (void)state;
    struct history_kept kept = {0};
    struct ring_sample sample = {.weight = 1, .period_ns = PERIOD_NS, .frame_count = 1};
    for (uint32_t i = 0; i < HISTORY_EVENTS_MAX; i++) {
        add(&kept, 1, LABEL_NONE, "a", i);
    }
    sample.frames[0] = 1;
    assert_false(history_kept_add(&kept, &sample, "a", HISTORY_EVENTS_MAX));
    assert_int_equal(kept.stacks.total, HISTORY_EVENTS_MAX);
    history_kept_deinit(&kept);
}

static struct buf write_columns(const struct history_window *windows, size_t count, int expected)
{
    const struct history_columns columns = {
        .windows = windows,
        .window_count = count,
        .start_ns = START_NS + NS_PER_S,
        .seconds = 3,
        .wall_ns = 5000 * NS_PER_MS,
        .now_ms = 9000,
    };
    struct buf text;
    buf_init(&text, HISTORY_COLUMNS_MAX_BYTES);
    assert_int_equal(history_columns_write(&columns, &text), expected);
    return text;
}

static void test_columns_are_seconds_by_route_and_thread(void **state)
{
    (void)state;
    struct history_kept kept = {0};
    const uint32_t route = label_intern(STR("/a\"<b>"), "GET");
    const uint32_t other = label_intern(STR("/a\"<b>"), "POST");
    add(&kept, 1, route, "t", 500); /* before the first column */
    add(&kept, 1, route, "t", 1500);
    add(&kept, 2, other, "t", 1500); /* a method has no row of its own */
    add(&kept, 1, route, "t", 3999);
    add(&kept, 1, LABEL_NONE, "u", 2500);
    add(&kept, 1, LABEL_NONE, "u", 4000); /* behind the last */
    const struct history_window window = window_of(&kept);
    struct buf text = write_columns(&window, 1, 0);
    buf_append_char(&text, '\0');
    assert_string_equal(buf_str(&text).ptr,
                        "{\"now_ms\":9000,\"start_ms\":5000,\"seconds\":3,\"rows\":["
                        "{\"route\":\"/a\\\"<b>\",\"thread\":\"t\",\"cells\":[[0,100],[2,50]]},"
                        "{\"route\":\"\",\"thread\":\"u\",\"cells\":[[1,50]]}]}\n");
    buf_deinit(&text);
    history_kept_deinit(&kept);
}

static void test_rows_are_bounded(void **state)
{
    (void)state;
    struct history_window windows[4];
    struct history_kept kept[ARRAY_COUNT(windows)] = {0};
    for (size_t i = 0; i < 3 * ARRAY_COUNT(windows) * 32; i++) {
        char thread[STACKS_NAME_BYTES];
        (void)snprintf(thread, sizeof(thread), "t%zu", i);
        add(&kept[i % ARRAY_COUNT(kept)], 1, LABEL_NONE, thread, 1500);
    }
    for (size_t i = 0; i < ARRAY_COUNT(windows); i++) {
        windows[i] = window_of(&kept[i]);
    }
    struct buf text = write_columns(windows, ARRAY_COUNT(windows), 0);
    buf_append_char(&text, '\0');
    const char *rest = strstr(buf_str(&text).ptr, "{\"route\":\"others\",\"thread\":\"others\"");
    assert_non_null(rest);
    char cells[64];
    (void)snprintf(cells, sizeof(cells), "\"cells\":[[0,%d]]}]}\n", (384 - 255) * 50);
    assert_non_null(strstr(rest, cells));
    buf_deinit(&text);
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
        history_kept_deinit(&kept[i]);
    }
}

static void test_without_memory_there_are_no_columns(void **state)
{
    (void)state;
    struct history_kept kept = {0};
    add(&kept, 1, LABEL_NONE, "a", 1500);
    const struct history_window window = window_of(&kept);
    for (size_t left = 0; left < 2; left++) {
        allocations_left = left;
        struct buf text = write_columns(&window, 1, UV_ENOMEM);
        buf_deinit(&text);
    }
    allocations_left = SIZE_MAX;
    history_kept_deinit(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_second_has_its_samples),
        cmocka_unit_test(test_the_past_of_one_trace),
        cmocka_unit_test(test_a_copy_reads_the_same),
        cmocka_unit_test(test_what_has_no_room_is_refused),
        cmocka_unit_test(test_columns_are_seconds_by_route_and_thread),
        cmocka_unit_test(test_rows_are_bounded),
        cmocka_unit_test(test_without_memory_there_are_no_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
