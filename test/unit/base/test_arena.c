/* SPDX-License-Identifier: MIT
 *
 * test_arena.c - alignment, the maximum, what a reset keeps.
 *
 * arena.c is included, with its malloc replaced by one that fails on demand and counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define realloc failing_realloc
#include "core/base/quota.c"
#undef realloc
#include "core/base/arena.c"

static void test_each_allocation_is_aligned_and_its_own(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    char *previous = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        char *p = arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        assert_ptr_not_equal(p, previous);
        memset(p, 0xAB, size); /* a sanitizer sees a block that is too small */
        previous = p;
    }
    arena_deinit(&a);
}

static void test_neighbours_do_not_overlap(void **state)
{
    (void)state;
    struct arena a;
    unsigned char *parts[300];
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        parts[i] = arena_alloc(&a, i);
        memset(parts[i], (int)(i & 0xFF), i);
    }
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        for (size_t j = 0; j < i; j++) {
            assert_int_equal(parts[i][j], i & 0xFF);
        }
    }
    arena_deinit(&a);
}

static void test_maximum_is_reached_and_kept(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 10000);
    size_t taken = 0;
    while (arena_alloc(&a, 16) != NULL) {
        taken += 16;
    }
    assert_int_equal(taken, 10000);
    assert_int_equal(a.used_bytes, 10000);
    assert_null(arena_alloc(&a, 1));
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 5000));
    assert_null(arena_alloc(&a, 5000));
    arena_deinit(&a);
}

static void test_huge_wishes_do_not_wrap(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX);
    for (size_t i = 0; i < 40; i++) {
        allocations_left = 0;
        assert_null(arena_alloc(&a, SIZE_MAX - i));
        allocations_left = SIZE_MAX;
    }
    arena_deinit(&a);
}

static void test_reset_keeps_a_block_and_allocates_no_more(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    arena_reset(&a); /* an empty one may be reset */
    assert_non_null(arena_alloc(&a, 3000));
    const size_t before = allocation_count;
    for (int i = 0; i < 100; i++) {
        arena_reset(&a);
        assert_non_null(arena_alloc(&a, 3000));
    }
    assert_int_equal(allocation_count, before);
    arena_deinit(&a);
}

static void test_reset_gives_a_big_block_back(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_non_null(arena_alloc(&a, 500000));
    assert_non_null(arena_alloc(&a, 10));
    arena_reset(&a);
    assert_int_equal(a.used_bytes, ARENA_BLOCK_BYTES);
    arena_deinit(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void test_copy_ends_with_nul(void **state)
{
    (void)state;
    struct arena a;
    struct str copy;
    arena_init(&a, 1 << 20);
    assert_true(arena_copy(&a, STR("path"), &copy));
    assert_string_equal(copy.ptr, "path");
    assert_int_equal(copy.len, 4);
    assert_true(arena_copy(&a, (struct str){NULL, 0}, &copy));
    assert_string_equal(copy.ptr, "");
    arena_deinit(&a);
}

static void test_missing_memory_is_told_and_passes(void **state)
{
    (void)state;
    struct arena a;
    struct str copy;
    arena_init(&a, 1 << 20);
    allocations_left = 0;
    assert_null(arena_alloc(&a, 100));
    assert_false(arena_copy(&a, STR("path"), &copy));
    allocations_left = 1;
    assert_non_null(arena_alloc(&a, 4000));
    assert_null(arena_alloc(&a, 4000));
    assert_non_null(arena_alloc(&a, 50)); /* what is left of the block still serves */
    allocations_left = SIZE_MAX;
    assert_non_null(arena_alloc(&a, 4000));
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_is_aligned_and_its_own),
        cmocka_unit_test(test_neighbours_do_not_overlap),
        cmocka_unit_test(test_maximum_is_reached_and_kept),
        cmocka_unit_test(test_huge_wishes_do_not_wrap),
        cmocka_unit_test(test_reset_keeps_a_block_and_allocates_no_more),
        cmocka_unit_test(test_reset_gives_a_big_block_back),
        cmocka_unit_test(test_copy_ends_with_nul),
        cmocka_unit_test(test_missing_memory_is_told_and_passes),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
