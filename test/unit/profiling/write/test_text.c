/* SPDX-License-Identifier: MIT
 *
 * test_text.c - texts as Go prints them: order, numbers, labels, columns.
 *
 * The frames are synthetic ones, whose addresses and names are the same each time, and addresses
 * that nothing is mapped at. text.c and buf.c are included with an allocator that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "test/unit/support/failing_alloc.h"
#define malloc  failing_malloc
#define calloc  failing_calloc
#define realloc failing_realloc
#include "core/base/buf.c"
#include "core/base/quota.c"
#include "profiling/write/text.c"
#undef malloc
#undef calloc
#undef realloc

#include "core/task/label.h"
#include "profiling/code/synthetic.h"

#define NOWHERE UINT64_C(0xF) /* never mapped; 0x10 as a return address */

static struct stacks stacks;
static struct source source;
static struct profile_spec spec;
static uint32_t users; /* a label */

static int start(void **state)
{
    (void)state;
    source = (struct source){.name = "goroutine", .text = SOURCE_TEXT_COUNT};
    spec = (struct profile_spec){.type_count = 1, .period = 1};
    users = label_intern(STR("/users/:id"), "GET");
    assert_true(users > LABEL_PROFILER);
    allocations_left = SIZE_MAX;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stacks_deinit(&stacks);
    return 0;
}

static void add(const uint64_t *frames, size_t count, struct stacks_labels labels, int64_t a,
                int64_t b, int64_t c, int64_t d)
{
    const int64_t values[STACKS_VALUES_MAX] = {a, b, c, d};
    stacks_add(&stacks, frames, count, &labels, values);
}

static void assert_text(const char *wanted)
{
    char *data;
    size_t len;
    assert_int_equal(text_encode(&source, &stacks, &spec, &data, &len), 0);
    char *text = strndup(data, len);
    assert_string_equal(text, wanted);
    free(text);
    free(data);
}

static void append_facts(struct buf *out)
{
    buf_append_cstr(out, "# allocated = 5\n");
}

static void test_no_samples(void **state)
{
    (void)state;
    assert_text("goroutine profile: total 0\n");
}

static void test_counts_are_sorted_by_count_and_then_by_key(void **state)
{
    (void)state;
    const uint64_t frames[] = {NOWHERE, NOWHERE + 16, NOWHERE + 32};
    add(&frames[1], 1, (struct stacks_labels){0}, 2, 0, 0, 0);
    add(frames, 3, (struct stacks_labels){0}, 3, 0, 0, 0);
    add(frames, 1, (struct stacks_labels){0}, 2, 0, 0, 0);
    add(&frames[2], 1, (struct stacks_labels){0}, 0, 9, 0, 0);
    spec.type_count = 2;
    assert_text("goroutine profile: total 7\n"
                "3 @ 0x10 0x20 0x30\n#\t0xf\n#\t0x1f\n#\t0x2f\n\n"
                "2 @ 0x10\n#\t0xf\n\n"
                "2 @ 0x20\n#\t0x1f\n\n");
}

static void test_labels_are_quoted_and_sorted(void **state)
{
    (void)state;
    const uint64_t frames[] = {NOWHERE};
    source.has_labels_in_text = true;
    const uint32_t thread = stacks_name(&stacks, STR("a\"b\\c\n\x01\x7f\xc3\xa9"));
    add(frames, 1, (struct stacks_labels){.label = users, .thread = thread, .state = "mysql"}, 2, 0,
        0, 0);
    add(frames, 1, (struct stacks_labels){.size_bytes = 64}, 1, 0, 0, 0);
    assert_text("goroutine profile: total 3\n"
                "2 @ 0x10\n"
                "# labels: {\"method\":\"GET\", \"route\":\"/users/:id\", \"state\":\"mysql\", "
                "\"thread\":\"a\\\"b\\\\c\\n\\x01\\x7f\xc3\xa9\"}\n#\t0xf\n\n"
                "1 @ 0x10\n#\t0xf\n\n");
}

static void test_columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    const uint64_t route = synthetic_route(users); /* 0x4000000000000030 */
    const uint64_t frames[] = {synthetic_state("x"), route, NOWHERE, route};
    add(frames, 4, (struct stacks_labels){0}, 1, 0, 0, 0);
    assert_text("goroutine profile: total 1\n"
                "1 @ 0x4000000000100001 0x4000000000000031 0x10 0x4000000000000031\n"
                "#\t0x4000000000100000\t[x]+0x0\t\t\t:0\n"
                "#\t0x4000000000000030\t[GET /users/:id]+0x0\t:0\n"
                "#\t0xf\n"
                "#\t0x4000000000000030\t[GET /users/:id]+0x0\t:0\n\n");
}

static void test_frames_of_code_say_how_far_into_the_function(void **state)
{
    (void)state;
    const uint64_t frames[] = {(uint64_t)(uintptr_t)&text_encode + 1};
    add(frames, 1, (struct stacks_labels){0}, 1, 0, 0, 0);
    char *data;
    size_t len;
    assert_int_equal(text_encode(&source, &stacks, &spec, &data, &len), 0);
    char *text = strndup(data, len);
    assert_non_null(strstr(text, "\ttext_encode+0x1\t"));
    assert_non_null(strstr(text, "/profiling/write/text.c:"));
    free(text);
    free(data);
}

static void test_heap(void **state)
{
    (void)state;
    const uint64_t frames[] = {NOWHERE, NOWHERE + 16};
    source =
        (struct source){.name = "heap", .text = SOURCE_TEXT_HEAP, .append_facts = append_facts};
    spec = (struct profile_spec){.type_count = 4, .period = 524288};
    add(frames, 2, (struct stacks_labels){.label = users, .size_bytes = 1}, 2, 1048576, 1, 524288);
    add(frames, 1, (struct stacks_labels){.label = users, .size_bytes = 2}, 3, 1572864, 2, 1048576);
    add(frames, 1, (struct stacks_labels){.size_bytes = 2}, 0, 0, 0, 0);
    assert_text("heap profile: 3: 1572864 [5: 2621440] @ heap/1048576\n"
                "2: 1048576 [3: 1572864] @ 0x10\n#\t0xf\n\n"
                "1: 524288 [2: 1048576] @ 0x10 0x20\n#\t0xf\n#\t0x1f\n\n"
                "\n# allocated = 5\n");
}

static void test_contention(void **state)
{
    (void)state;
    const uint64_t frames[] = {NOWHERE, NOWHERE + 16};
    source = (struct source){.name = "mutex", .text = SOURCE_TEXT_CONTENTION};
    spec = (struct profile_spec){.type_count = 2, .period = 1};
    add(frames, 1, (struct stacks_labels){0}, 9, 1000, 0, 0);
    add(&frames[1], 1, (struct stacks_labels){0}, 8, 1234567, 0, 0);
    assert_text("--- mutex:\ncycles/second=1000000000\nsampling period=1\n"
                "1234567 8 @ 0x20\n#\t0x1f\n\n1000 9 @ 0x10\n#\t0xf\n\n");
    source.name = "block";
    assert_text("--- contention:\ncycles/second=1000000000\n"
                "1234567 8 @ 0x20\n#\t0x1f\n\n1000 9 @ 0x10\n#\t0xf\n\n");
}

/* Sixty thousand stacks of a hundred frames are more text than there may be. */
static void test_what_is_too_much_is_left_out(void **state)
{
    (void)state;
    uint64_t frames[100];
    for (size_t i = 0; i < ARRAY_COUNT(frames); i++) {
        frames[i] = NOWHERE + 16 * i;
    }
    for (int64_t i = 1; i <= 60000; i++) {
        add(frames, ARRAY_COUNT(frames), (struct stacks_labels){.size_bytes = i}, i, 0, 0, 0);
    }
    char *data;
    size_t len;
    assert_int_equal(text_encode(&source, &stacks, &spec, &data, &len), 0);
    assert_true(len <= TEXT_BYTES_MAX && len > TEXT_BYTES_MAX / 2);
    assert_memory_equal(data, "goroutine profile: total 1800030000\n60000 @ ", 44);
    assert_memory_equal(data + len - 2, "\n\n", 2);
    free(data);
}

static void test_each_allocation_may_fail(void **state)
{
    (void)state;
    const uint64_t frames[] = {NOWHERE};
    char *data;
    size_t len;
    add(frames, 1, (struct stacks_labels){.label = users}, 1, 0, 0, 0);
    for (size_t granted = 0;; granted++) {
        allocations_left = granted;
        const int status = text_encode(&source, &stacks, &spec, &data, &len);
        allocations_left = SIZE_MAX;
        if (status == 0) {
            assert_true(granted >= 4); /* itself, entries, keys, text */
            free(data);
            return;
        }
        assert_int_equal(status, UV_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_samples, start, stop),
        cmocka_unit_test_setup_teardown(test_counts_are_sorted_by_count_and_then_by_key, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_labels_are_quoted_and_sorted, start, stop),
        cmocka_unit_test_setup_teardown(test_columns_are_as_wide_as_their_widest_cell, start, stop),
        cmocka_unit_test_setup_teardown(test_frames_of_code_say_how_far_into_the_function, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_heap, start, stop),
        cmocka_unit_test_setup_teardown(test_contention, start, stop),
        cmocka_unit_test_setup_teardown(test_what_is_too_much_is_left_out, start, stop),
        cmocka_unit_test_setup_teardown(test_each_allocation_may_fail, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
