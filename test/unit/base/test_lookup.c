/* SPDX-License-Identifier: MIT
 *
 * test_lookup.c - what was added is found, what was not is not, also when memory is short.
 *
 * lookup.c is included, with its allocator replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "test/unit/support/failing_alloc.h"
#define calloc  failing_calloc
#define realloc failing_realloc
#include "core/base/lookup.c"
#undef calloc
#undef realloc

#define MANY 5000u

static uint32_t items[MANY];

static bool is_item(const void *key, uint32_t position)
{
    return items[position] == *(const uint32_t *)key;
}

static void add_all(struct lookup *lookup, uint64_t hash_mask)
{
    for (uint32_t i = 0; i < MANY; i++) {
        items[i] = i * 7;
        assert_true(lookup_add(lookup, lookup_mix(items[i], 0) & hash_mask, i));
    }
}

static void test_everything_added_is_found(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    add_all(&lookup, UINT64_MAX);
    for (uint32_t i = 0; i < MANY; i++) {
        uint32_t position;
        assert_true(lookup_find(&lookup, lookup_mix(items[i], 0), is_item, &items[i], &position));
        assert_int_equal(position, i);
    }
    uint32_t missing = 1;
    uint32_t position;
    assert_false(lookup_find(&lookup, lookup_mix(missing, 0), is_item, &missing, &position));
    lookup_deinit(&lookup);
}

static void test_items_of_one_hash_are_told_apart(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    add_all(&lookup, 3);
    for (uint32_t i = 0; i < MANY; i += 100) {
        uint32_t position;
        assert_true(
            lookup_find(&lookup, lookup_mix(items[i], 0) & 3, is_item, &items[i], &position));
        assert_int_equal(position, i);
    }
    lookup_deinit(&lookup);
}

static void test_an_empty_lookup_finds_nothing(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    uint32_t key = 1;
    uint32_t position = 77;
    assert_false(lookup_find(&lookup, 1, is_item, &key, &position));
    assert_int_equal(position, 77);
    lookup_deinit(&lookup);
}

static void test_without_memory_nothing_changes(void **state)
{
    (void)state;
    struct lookup lookup = {0};
    allocations_left = 0;
    assert_false(lookup_add(&lookup, 1, 0));
    allocations_left = SIZE_MAX;
    assert_int_equal(lookup.count, 0);
    uint32_t added = 0;
    for (; added < LOOKUP_CELLS_MIN / 2; added++) {
        items[added] = added;
        assert_true(lookup_add(&lookup, added, added));
    }
    allocations_left = 0;
    assert_false(lookup_add(&lookup, added, added));
    allocations_left = SIZE_MAX;
    uint32_t position;
    assert_true(lookup_find(&lookup, 5, is_item, &items[5], &position));
    lookup_deinit(&lookup);
}

static void test_array_grows_up_to_its_maximum(void **state)
{
    (void)state;
    int *array = NULL;
    size_t cap = 0;
    for (size_t count = 0; count < 50; count++) {
        assert_true(array_grow(&array, count, &cap, sizeof(*array), 50));
        array[count] = (int)count;
    }
    assert_false(array_grow(&array, 50, &cap, sizeof(*array), 50));
    assert_int_equal(cap, 50);
    assert_int_equal(array[49], 49);
    free(array);
}

static void test_array_keeps_its_items_without_memory(void **state)
{
    (void)state;
    int *array = NULL;
    size_t cap = 0;
    allocations_left = 0;
    assert_false(array_grow(&array, 0, &cap, sizeof(*array), 50));
    allocations_left = SIZE_MAX;
    assert_null(array);
    assert_int_equal(cap, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_added_is_found),
        cmocka_unit_test(test_items_of_one_hash_are_told_apart),
        cmocka_unit_test(test_an_empty_lookup_finds_nothing),
        cmocka_unit_test(test_without_memory_nothing_changes),
        cmocka_unit_test(test_array_grows_up_to_its_maximum),
        cmocka_unit_test(test_array_keeps_its_items_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
