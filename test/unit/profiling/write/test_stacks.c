/* SPDX-License-Identifier: MIT
 *
 * test_stacks.c - equal samples are counted together, different ones apart; the memory has a bound.
 *
 * stacks.c, and lookup.c which allocates for it, are included with an allocator that fails on
 * demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "test/unit/support/failing_alloc.h"
#define malloc  failing_malloc
#define calloc  failing_calloc
#define realloc failing_realloc
#include "core/base/lookup.c"
#include "profiling/write/stacks.c"
#undef malloc
#undef calloc
#undef realloc

static void add(struct stacks *stacks, const uint64_t *frames, size_t count,
                struct stacks_labels labels, int64_t value)
{
    const int64_t values[STACKS_VALUES_MAX] = {value, 10 * value};
    stacks_add(stacks, frames, count, &labels, values);
}

static void test_equal_samples_are_counted_together(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    uint64_t frames[] = {30, 20, 10};
    add(&stacks, frames, 3, (struct stacks_labels){.label = 2, .thread = 0}, 1);
    add(&stacks, frames, 3, (struct stacks_labels){.label = 2, .thread = 0}, 4);
    assert_int_equal(stacks.sample_count, 1);
    assert_int_equal(stacks.samples[0].values[0], 5);
    assert_int_equal(stacks.samples[0].values[1], 50);
    assert_int_equal(stacks.total, 5);
    uint64_t read[4];
    assert_int_equal(stacks_read(&stacks, stacks.samples[0].leaf, read, 4), 3);
    assert_memory_equal(read, frames, sizeof(frames));
    stacks_deinit(&stacks);
}

static void test_label_thread_and_stack_keep_samples_apart(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    uint64_t frames[] = {30, 20, 10};
    add(&stacks, frames, 3, (struct stacks_labels){.label = 2, .thread = 0}, 1);
    add(&stacks, frames, 3, (struct stacks_labels){.label = 3, .thread = 0}, 1);
    add(&stacks, frames, 3, (struct stacks_labels){.label = 2, .thread = 1}, 1);
    add(&stacks, frames + 1, 2, (struct stacks_labels){.label = 2, .thread = 0},
        1); /* a caller as the leaf of its own stack */
    assert_int_equal(stacks.sample_count, 4);
    assert_int_equal(stacks.node_count, 3); /* outer frames are shared */
    stacks_deinit(&stacks);
}

static void test_spans_are_numbered_and_carried(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    const uint64_t frame = 10;
    const struct trace_ids one = {.trace_id = {1, 2}, .span_id = 3};
    const struct trace_ids other = {.trace_id = {1, 2}, .span_id = 4};
    assert_int_equal(stacks_trace(&stacks, &(struct trace_ids){0}), 0);
    assert_null(stacks_trace_at(&stacks, 0));
    assert_int_equal(stacks_trace(&stacks, &one), 1);
    assert_int_equal(stacks_trace(&stacks, &other), 2);
    assert_int_equal(stacks_trace(&stacks, &one), 1);
    assert_string_equal(stacks_trace_at(&stacks, 2)->trace_id, "01000000000000000200000000000000");
    assert_string_equal(stacks_trace_at(&stacks, 2)->span_id, "0400000000000000");
    add(&stacks, &frame, 1, (struct stacks_labels){.label = 2}, 1);
    add(&stacks, &frame, 1, (struct stacks_labels){.label = 2, .trace = 2}, 5);
    add(&stacks, &frame, 1, (struct stacks_labels){.label = 2, .trace = 2}, 2);
    assert_int_equal(stacks.sample_count, 2);

    struct stacks copy = {0};
    assert_true(stacks_copy(&stacks, &copy));
    stacks_deinit(&stacks);
    struct stacks merged = {0};
    stacks_merge(&merged, &copy, 1);
    assert_int_equal(merged.sample_count, 2);
    assert_int_equal(merged.trace_count, 1); /* the other is in no sample */
    assert_int_equal(merged.samples[1].values[0], 7);
    assert_string_equal(stacks_trace_at(&merged, merged.samples[1].labels.trace)->span_id,
                        "0400000000000000");
    stacks_deinit(&copy);
    stacks_deinit(&merged);
}

static void test_spans_have_a_bound(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    for (uint64_t i = 1; i <= STACKS_TRACES_MAX; i++) {
        const struct trace_ids ids = {.trace_id = {1, 1}, .span_id = i};
        assert_int_equal(stacks_trace(&stacks, &ids), i);
    }
    const struct trace_ids more = {.trace_id = {1, 1}, .span_id = UINT64_MAX};
    assert_int_equal(stacks_trace(&stacks, &more), 0);
    stacks_deinit(&stacks);
}

static void test_recursion_is_not_folded(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    uint64_t frames[] = {7, 7, 7, 7};
    add(&stacks, frames, 4, (struct stacks_labels){.label = 0, .thread = 0}, 1);
    uint64_t read[8];
    assert_int_equal(stacks_read(&stacks, stacks.samples[0].leaf, read, 8), 4);
    assert_int_equal(stacks_read(&stacks, stacks.samples[0].leaf, read, 2), 2);
    stacks_deinit(&stacks);
}

static void test_what_does_not_fit_is_counted(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    for (uint64_t i = 1; i <= STACKS_SAMPLES_MAX + 10; i++) {
        add(&stacks, &i, 1, (struct stacks_labels){.label = 0, .thread = 0}, 2);
    }
    assert_int_equal(stacks.sample_count, STACKS_SAMPLES_MAX);
    assert_int_equal(stacks.dropped, 20);
    assert_int_equal(stacks.total, 2 * STACKS_SAMPLES_MAX);
    uint64_t known = 5; /* a full table still counts what it has */
    add(&stacks, &known, 1, (struct stacks_labels){.label = 0, .thread = 0}, 1);
    assert_int_equal(stacks.dropped, 20);
    stacks_deinit(&stacks);
}

static void test_what_is_subtracted_leaves_the_difference(void **state)
{
    (void)state;
    struct stacks before = {0};
    struct stacks after = {0};
    const uint64_t frames[] = {30, 20, 10};
    add(&before, frames, 3, (struct stacks_labels){.label = 2, .state = "mysql"}, 5);
    add(&before, frames, 2, (struct stacks_labels){.size_bytes = 64}, 1);
    const struct stacks_labels worker = {.thread = stacks_name(&after, STR("worker"))};
    add(&after, frames, 3, worker, 7);
    char other[] = "mysql"; /* the same text at another place */
    add(&after, frames, 3, (struct stacks_labels){.label = 2, .state = other}, 9);
    stacks_merge(&after, &before, -1);
    assert_int_equal(after.sample_count, 3);
    assert_int_equal(after.samples[0].values[0], 7);
    assert_int_equal(after.samples[1].values[0], 4);
    assert_int_equal(after.samples[1].values[1], 40);
    assert_int_equal(after.samples[2].values[0], -1); /* it ended in between */
    struct stacks copy = {0};
    stacks_merge(&copy, &after, 1);
    assert_int_equal(copy.sample_count, 3);
    assert_string_equal(copy.names[copy.samples[0].labels.thread], "worker");
    stacks_deinit(&before);
    stacks_deinit(&after);
    stacks_deinit(&copy);
}

static void test_names_have_a_bound(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    assert_int_equal(stacks_name(&stacks, STR("")), 0);
    for (unsigned i = 0; i < 2 * STACKS_NAMES_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "thread %u with a long name", i % 1000);
        assert_in_range(stacks_name(&stacks, str_from(name)), 1, STACKS_NAMES_MAX - 1);
    }
    assert_int_equal(stacks_name(&stacks, STR("thread 0 with a long name")), 1);
    assert_string_equal(stacks.names[1], "thread 0 with a"); /* as the kernel cuts it */
}

/* 200 stacks of three frames, two of them shared. */
static void add_many(struct stacks *stacks)
{
    for (uint64_t i = 1; i <= 200; i++) {
        uint64_t frames[] = {1000 + i, 20, 10};
        add(stacks, frames, 3, (struct stacks_labels){.label = 0, .thread = 0}, 1);
    }
}

static void test_without_memory_samples_are_counted_as_dropped(void **state)
{
    (void)state;
    struct stacks whole = {0};
    allocation_count = 0;
    add_many(&whole);
    assert_int_equal(whole.total, 200);
    stacks_deinit(&whole);
    size_t needed = allocation_count;
    assert_true(needed > 0);
    for (size_t i = 0; i < needed; i++) {
        struct stacks stacks = {0};
        allocations_left = i;
        add_many(&stacks);
        allocations_left = SIZE_MAX;
        assert_true(stacks.dropped > 0);
        assert_int_equal(stacks.total + stacks.dropped, 200);
        uint64_t sum = 0;
        for (size_t k = 0; k < stacks.sample_count; k++) {
            uint64_t read[4];
            assert_int_equal(stacks_read(&stacks, stacks.samples[k].leaf, read, 4), 3);
            sum += (uint64_t)stacks.samples[k].values[0];
        }
        assert_int_equal(sum, stacks.total);
        stacks_deinit(&stacks);
    }
}

static void test_a_copy_has_all_in_less_memory(void **state)
{
    (void)state;
    struct stacks stacks = {0};
    struct stacks copy = {0};
    assert_true(stacks_copy(&stacks, &copy)); /* of nothing */
    assert_int_equal(stacks_bytes(&copy), 0);
    add_many(&stacks);
    const struct stacks_labels worker = {.thread = stacks_name(&stacks, STR("worker"))};
    add(&stacks, (const uint64_t[]){30, 10}, 2, worker, 7);
    stacks.dropped = 3;
    for (size_t i = 0; i < 2; i++) {
        allocations_left = i;
        assert_false(stacks_copy(&stacks, &copy));
        assert_null(copy.nodes);
    }
    allocations_left = SIZE_MAX;
    assert_true(stacks_copy(&stacks, &copy));
    assert_in_range(stacks_bytes(&copy), 1, stacks_bytes(&stacks) - 1);
    stacks_deinit(&stacks);
    struct stacks merged = {0};
    stacks_merge(&merged, &copy, 1);
    assert_int_equal(merged.sample_count, 201);
    assert_int_equal(merged.total, 207);
    assert_int_equal(merged.dropped, 3);
    assert_string_equal(merged.names[merged.samples[200].labels.thread], "worker");
    stacks_deinit(&copy);
    stacks_deinit(&merged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_samples_are_counted_together),
        cmocka_unit_test(test_label_thread_and_stack_keep_samples_apart),
        cmocka_unit_test(test_spans_are_numbered_and_carried),
        cmocka_unit_test(test_spans_have_a_bound),
        cmocka_unit_test(test_recursion_is_not_folded),
        cmocka_unit_test(test_what_does_not_fit_is_counted),
        cmocka_unit_test(test_what_is_subtracted_leaves_the_difference),
        cmocka_unit_test(test_names_have_a_bound),
        cmocka_unit_test(test_a_copy_has_all_in_less_memory),
        cmocka_unit_test(test_without_memory_samples_are_counted_as_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
