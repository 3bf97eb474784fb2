/* SPDX-License-Identifier: MIT
 *
 * test_contention.c - records of stacks: found again, told apart, full, and from many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "core/task/label.h"
#include "profiling/code/synthetic.h"
#include "profiling/thread/contention.h"

#define THREADS 4
#define ROUNDS  20000
#define STACKS  37

static struct contention table;

static int clear(void **state)
{
    (void)state;
    memset(&table, 0, sizeof(table));
    return 0;
}

static struct contention_record *find(uint64_t inner, uint64_t outer, uint32_t label)
{
    const uint64_t frames[] = {inner, outer};
    return contention_find(&table, frames, ARRAY_COUNT(frames), label);
}

static void test_stacks_and_labels_are_told_apart(void **state)
{
    (void)state;
    struct contention_record *record = find(0x10, 0x20, 1);
    assert_non_null(record);
    assert_ptr_equal(find(0x10, 0x20, 1), record);
    assert_ptr_not_equal(find(0x10, 0x20, 2), record);
    assert_ptr_not_equal(find(0x10, 0x21, 1), record);
    assert_ptr_not_equal(find(0x20, 0x10, 1), record);
    assert_int_equal(table.used, 4);
}

static void test_it_is_read_as_stacks(void **state)
{
    (void)state;
    contention_add(find(0x10, 0x20, 1), 2, 700);
    contention_add(find(0x10, 0x20, 1), 1, 50);
    struct stacks stacks = {0};
    contention_read(&table, &stacks);
    assert_int_equal(stacks.sample_count, 1);
    const struct stacks_sample *sample = &stacks.samples[0];
    assert_int_equal(sample->values[0], 3);
    assert_int_equal(sample->values[1], 750);
    assert_int_equal(sample->labels.label, 1);
    uint64_t frames[4];
    assert_int_equal(stacks_read(&stacks, sample->leaf, frames, ARRAY_COUNT(frames)), 2);
    assert_int_equal(frames[0], 0x10);
    assert_int_equal(frames[1], 0x20);
    stacks_deinit(&stacks);
}

static void test_a_full_table_keeps_what_it_has(void **state)
{
    (void)state;
    struct contention_record *first = find(1, 1, 0);
    for (uint64_t i = 0; i < 2 * CONTENTION_RECORDS_MAX; i++) {
        (void)find(0x1000 + i, 1, 0);
    }
    assert_in_range(table.used, CONTENTION_RECORDS_MAX / 2, CONTENTION_RECORDS_MAX);
    assert_int_equal(table.used + table.overflows, 2 * CONTENTION_RECORDS_MAX + 1);
    assert_ptr_equal(find(1, 1, 0), first);
}

static void test_the_profilers_own_stacks_are_few(void **state)
{
    (void)state;
    struct contention_record *first = find(1, 1, LABEL_PROFILER);
    for (uint64_t i = 0; i < STACKS; i++) {
        contention_add(find(0x1000 + i, 1, 0), 1, 3);
    }
    for (uint64_t i = 0; i < CONTENTION_RECORDS_MAX; i++) {
        contention_add(find(0x1000 + i, 1, LABEL_PROFILER), 1, 3);
    }
    assert_in_range(table.used, STACKS + 2, CONTENTION_RECORDS_MAX / 8);
    assert_int_equal(table.overflows, 0);
    assert_ptr_equal(find(1, 1, LABEL_PROFILER), first);
    struct contention_record *rest = find(1, 2, LABEL_PROFILER);
    assert_int_equal(rest->frames[0], synthetic_route(LABEL_PROFILER));
    assert_int_equal(rest->count + table.used, CONTENTION_RECORDS_MAX + STACKS + 2);
}

static void *add_all(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        contention_add(find(0x10 + i % STACKS, 1, 0), 1, 3);
    }
    return NULL;
}

static void test_threads_add_to_the_same_records(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_all, NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(table.used, STACKS);
    struct stacks stacks = {0};
    contention_read(&table, &stacks);
    int64_t ns = 0;
    for (size_t i = 0; i < stacks.sample_count; i++) {
        ns += stacks.samples[i].values[1];
    }
    assert_int_equal(stacks.total, THREADS * ROUNDS);
    assert_int_equal(ns, 3 * THREADS * ROUNDS);
    stacks_deinit(&stacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_stacks_and_labels_are_told_apart, clear),
        cmocka_unit_test_setup(test_it_is_read_as_stacks, clear),
        cmocka_unit_test_setup(test_a_full_table_keeps_what_it_has, clear),
        cmocka_unit_test_setup(test_the_profilers_own_stacks_are_few, clear),
        cmocka_unit_test_setup(test_threads_add_to_the_same_records, clear),
    };
    return cmocka_run_group_tests_name("contention", tests, NULL, NULL);
}
