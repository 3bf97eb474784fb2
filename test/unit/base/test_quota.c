/* SPDX-License-Identifier: MIT
 *
 * test_quota.c - what is charged, what is refused, and when a level begins and ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/quota.h"

#define MIB         (1u << 20)
#define POOL_BYTES  (100u * MIB)
#define RESERVE     (10u * MIB)
#define LIMIT_BYTES (POOL_BYTES - RESERVE)

static struct quota_pool pool;
static struct quota quota;
static struct quota forced;
static int level_count;
static int short_count;

static void on_level(struct quota *q)
{
    assert_ptr_equal(q, &quota);
    level_count++;
}

static void on_short(struct quota_pool *p)
{
    assert_ptr_equal(p, &pool);
    short_count++;
}

static int set_up(void **state)
{
    (void)state;
    quota_pool_init(&pool, POOL_BYTES, RESERVE);
    quota_init(&quota, &pool, false);
    quota_init(&forced, &pool, true);
    quota.on_level = on_level;
    pool.on_short = on_short;
    level_count = 0;
    short_count = 0;
    return 0;
}

static size_t granted(void)
{
    return atomic_load(&pool.granted_bytes);
}

static void test_it_takes_and_gives_batches(void **state)
{
    (void)state;
    assert_true(quota_charge(&quota, 1));
    assert_int_equal(granted(), QUOTA_BATCH_BYTES);
    assert_true(quota_charge(&quota, QUOTA_BATCH_BYTES - 1));
    assert_int_equal(granted(), QUOTA_BATCH_BYTES);
    assert_true(quota_charge(&quota, 1));
    assert_int_equal(granted(), 2 * QUOTA_BATCH_BYTES);
    assert_true(quota_charge(&quota, 10 * QUOTA_BATCH_BYTES));
    quota_release(&quota, 11 * QUOTA_BATCH_BYTES + 1);
    assert_int_equal(quota.used_bytes, 0);
    assert_true(granted() <= 2 * QUOTA_BATCH_BYTES); /* a batch or so stays for the next one */
}

static void test_no_quota_counts_nothing(void **state)
{
    (void)state;
    assert_true(quota_charge(NULL, SIZE_MAX));
    assert_true(quota_take(NULL, SIZE_MAX, QUOTA_VITAL));
    assert_true(quota_has_room(NULL, SIZE_MAX));
    assert_false(quota_note_short(NULL));
    assert_int_equal(quota_level(NULL), QUOTA_EASY);
    assert_int_equal(quota_share(NULL, 1, 1000), 1000);
    quota_release(NULL, 1);
}

static void test_what_is_too_much_is_refused(void **state)
{
    (void)state;
    assert_false(quota_charge(&quota, LIMIT_BYTES + 1));
    assert_false(quota_charge(&quota, SIZE_MAX));
    assert_int_equal(quota.used_bytes, 0);
    assert_int_equal(granted(), 0);
    assert_int_equal(quota.refused, 2);
    assert_true(quota_charge(&quota, LIMIT_BYTES));
    assert_false(quota_charge(&quota, 1));
}

static void test_the_reserve_is_for_what_is_vital(void **state)
{
    (void)state;
    assert_true(quota_charge(&quota, LIMIT_BYTES));
    assert_false(quota_charge(&quota, 1));
    assert_true(quota_take(&quota, RESERVE / 4, QUOTA_VITAL));
    assert_false(quota_charge(&quota, 1));
    assert_true(quota_charge(&forced, RESERVE / 4)); /* all of its charges are */
    assert_false(quota_take(&quota, 1, QUOTA_VITAL));
    assert_true(quota_take(&quota, 2 * RESERVE, QUOTA_FORCED));
    assert_true(quota_charge(&forced, 2 * RESERVE));
    quota_release(&forced, RESERVE / 4 + 2 * RESERVE);
    quota_release(&quota, 2 * RESERVE + RESERVE / 4);
    assert_true(quota_take(&quota, RESERVE / 4, QUOTA_VITAL));
}

static void test_levels_begin_and_end(void **state)
{
    (void)state;
    assert_true(quota_charge(&quota, LIMIT_BYTES / 100 * 79));
    assert_int_equal(quota_level(&quota), QUOTA_EASY);
    assert_true(quota_charge(&quota, 2 * MIB));
    assert_int_equal(quota_level(&quota), QUOTA_TIGHT);
    quota_release(&quota, 3 * MIB); /* 78 % */
    assert_int_equal(quota_level(&quota), QUOTA_TIGHT);
    quota_release(&quota, 4 * MIB); /* 73 % */
    assert_int_equal(quota_level(&quota), QUOTA_EASY);
    assert_true(quota_charge(&quota, LIMIT_BYTES - quota.used_bytes));
    assert_int_equal(quota_level(&quota), QUOTA_FULL);
    quota_release(&quota, 3 * MIB); /* 97 % */
    assert_int_equal(quota_level(&quota), QUOTA_FULL);
    assert_in_range(quota_missing(&quota), MIB, 3 * MIB);
    quota_release(&quota, 3 * MIB);
    assert_int_equal(quota_level(&quota), QUOTA_TIGHT);
    assert_int_equal(quota_missing(&quota), 0);
    assert_int_equal(level_count, 4);
}

static void test_what_is_charged_to_nobody_counts(void **state)
{
    (void)state;
    atomic_store(&pool.foreign_bytes, LIMIT_BYTES);
    assert_false(quota_charge(&quota, 1));
    quota_check(&quota);
    assert_int_equal(quota_level(&quota), QUOTA_FULL);
    atomic_store(&pool.foreign_bytes, 2 * (size_t)LIMIT_BYTES);
    assert_int_equal(quota_share(&quota, 7, 1000), 7);
    atomic_store(&pool.foreign_bytes, 0);
    quota_check(&quota);
    assert_int_equal(quota_level(&quota), QUOTA_EASY);
}

static void test_a_share_is_a_part_of_what_is_left(void **state)
{
    (void)state;
    assert_int_equal(quota_share(&quota, 1, 4 * MIB), 4 * MIB);
    assert_true(quota_charge(&quota, LIMIT_BYTES - 16 * MIB));
    assert_int_equal(quota_share(&quota, 1, 4 * MIB), 2 * MIB);
    assert_int_equal(quota_share(&quota, 1, MIB), MIB);
    assert_int_equal(quota_share(&quota, 3 * MIB, 4 * MIB), 3 * MIB);
    assert_true(quota_has_room(&quota, 15 * MIB));
    assert_false(quota_has_room(&quota, 17 * MIB));
}

static void test_a_malloc_that_fails(void **state)
{
    (void)state;
    assert_true(quota_note_short(&quota));
    assert_int_equal(quota_level(&quota), QUOTA_FULL);
    assert_false(quota_note_short(&quota)); /* nothing is kept any more */
    assert_int_equal(short_count, 1);
    atomic_store(&pool.is_short, false);
    quota_check(&quota);
    assert_int_equal(quota_level(&quota), QUOTA_EASY);
}

static void test_an_arena_is_charged(void **state)
{
    (void)state;
    struct arena arena;
    arena_init_charged(&arena, 64 * MIB, &quota);
    assert_non_null(arena_alloc(&arena, 100));
    assert_in_range(quota.used_bytes, ARENA_BLOCK_BYTES, ARENA_BLOCK_BYTES + 64);
    const size_t before = quota.used_bytes;
    void *big = arena_alloc(&arena, MIB);
    assert_non_null(big);
    assert_true(quota.used_bytes > MIB);
    arena_give_back(&arena, big);
    assert_int_equal(quota.used_bytes, before);
    assert_non_null(arena_alloc(&arena, 100));
    assert_true(quota_charge(&quota, LIMIT_BYTES - MIB));
    assert_null(arena_alloc(&arena, 2 * MIB));
    arena_reset(&arena);
    assert_true(quota.used_bytes < LIMIT_BYTES - MIB + 2 * ARENA_BLOCK_BYTES);
    arena_deinit(&arena);
    assert_int_equal(quota.used_bytes, LIMIT_BYTES - MIB);
}

static void test_the_first_bytes_of_an_arena_are_vital(void **state)
{
    (void)state;
    struct arena arena;
    arena_init_charged(&arena, MIB, &quota);
    assert_true(quota_charge(&quota, LIMIT_BYTES));
    assert_non_null(arena_alloc(&arena, 100));
    assert_true(quota.used_bytes < LIMIT_BYTES + 200); /* no more than what is needed */
    assert_non_null(arena_alloc(&arena, 2000));
    assert_null(arena_alloc(&arena, ARENA_BLOCK_BYTES));
    arena_deinit(&arena);
    assert_int_equal(quota.used_bytes, LIMIT_BYTES);
}

static void test_a_buffer_is_charged(void **state)
{
    (void)state;
    struct buf buf;
    buf_init_charged(&buf, 64 * MIB, &quota);
    buf_append(&buf, "abc", 3);
    assert_int_equal(quota.used_bytes, buf.cap);
    assert_true(quota_charge(&quota, LIMIT_BYTES - MIB));
    char piece[4096] = {0};
    while (!buf.is_failed) {
        buf_append(&buf, piece, sizeof(piece));
    }
    assert_in_range(buf.len, MIB / 4, MIB); /* it doubles */
    buf_deinit(&buf);
    assert_int_equal(quota.used_bytes, LIMIT_BYTES - MIB);
    buf_append(&buf, "abc", 3); /* it keeps its quota */
    free(buf_steal(&buf));
    assert_int_equal(quota.used_bytes, LIMIT_BYTES - MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_it_takes_and_gives_batches, set_up),
        cmocka_unit_test_setup(test_no_quota_counts_nothing, set_up),
        cmocka_unit_test_setup(test_what_is_too_much_is_refused, set_up),
        cmocka_unit_test_setup(test_the_reserve_is_for_what_is_vital, set_up),
        cmocka_unit_test_setup(test_levels_begin_and_end, set_up),
        cmocka_unit_test_setup(test_what_is_charged_to_nobody_counts, set_up),
        cmocka_unit_test_setup(test_a_share_is_a_part_of_what_is_left, set_up),
        cmocka_unit_test_setup(test_a_malloc_that_fails, set_up),
        cmocka_unit_test_setup(test_an_arena_is_charged, set_up),
        cmocka_unit_test_setup(test_the_first_bytes_of_an_arena_are_vital, set_up),
        cmocka_unit_test_setup(test_a_buffer_is_charged, set_up),
    };
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
