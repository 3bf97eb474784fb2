/* SPDX-License-Identifier: MIT
 *
 * test_outq.c - bytes come out in the order they went in, however they are cut.
 *
 * outq.c is included, with its malloc replaced by one that fails on demand and counts.
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
#include "core/loop/outq.c"

#define BUFS_MAX 4

static char pattern(size_t at)
{
    return (char)(at * 31 % 251);
}

/* drain consumes `len` bytes and checks that they are the pattern from `at` on. */
static void drain(struct outq *q, struct outq_pool *pool, size_t at, size_t len)
{
    uv_buf_t bufs[BUFS_MAX];
    const size_t count = outq_peek(q, bufs, BUFS_MAX);
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(bufs[i].len > 0);
        for (size_t j = 0; j < bufs[i].len && seen < len; j++) {
            assert_int_equal(bufs[i].base[j], pattern(at + seen));
            seen++;
        }
    }
    assert_int_equal(seen, len);
    outq_consume(q, pool, len);
}

static void append(struct outq *q, struct outq_pool *pool, size_t at, size_t len)
{
    char *data = malloc(len);
    for (size_t i = 0; i < len; i++) {
        data[i] = pattern(at + i);
    }
    assert_int_equal(outq_append(q, pool, data, len), 0);
    free(data);
}

static void test_order_survives_any_cuts(void **state)
{
    (void)state;
    struct outq_pool pool = {0};
    struct outq q = {0};
    size_t in = 0;
    size_t out = 0;
    for (size_t round = 1; round < 300; round++) {
        const size_t len = round * 977 % 9000 + 1;
        append(&q, &pool, in, len);
        in += len;
        const size_t take = round * 613 % (q.len < 20000 ? q.len + 1 : 20000);
        drain(&q, &pool, out, take);
        out += take;
        assert_int_equal(q.len, in - out);
    }
    while (q.len > 0) {
        const size_t take = q.len < 10000 ? q.len : 10000;
        drain(&q, &pool, out, take);
        out += take;
    }
    assert_null(q.first);
    outq_pool_deinit(&pool);
}

static void test_one_bigger_than_a_block_is_in_one_piece(void **state)
{
    (void)state;
    struct outq_pool pool = {0};
    struct outq q = {0};
    append(&q, &pool, 0, 10);
    append(&q, &pool, 10, 3 * OUTQ_BLOCK_BYTES);
    uv_buf_t bufs[BUFS_MAX] = {0};
    assert_int_equal(outq_peek(&q, bufs, BUFS_MAX), 2);
    assert_int_equal(outq_peek(&q, bufs, 1), 1);
    assert_int_equal(bufs[0].len, 10);
    drain(&q, &pool, 0, 10 + 3 * OUTQ_BLOCK_BYTES);
    assert_int_equal(pool.spare_count, 1); /* the big one is no block to keep */
    outq_pool_deinit(&pool);
}

static void test_what_is_reserved_but_not_committed_is_not_sent(void **state)
{
    (void)state;
    struct outq_pool pool = {0};
    struct outq q = {0};
    uv_buf_t bufs[BUFS_MAX];
    assert_non_null(outq_reserve(&q, &pool, 100));
    assert_int_equal(outq_peek(&q, bufs, BUFS_MAX), 0);
    assert_non_null(outq_reserve(&q, &pool, 2 * OUTQ_BLOCK_BYTES)); /* behind an empty block */
    assert_int_equal(outq_peek(&q, bufs, BUFS_MAX), 0);
    outq_consume(&q, &pool, 0);
    assert_null(q.first);
    append(&q, &pool, 0, 5);
    drain(&q, &pool, 0, 5);
    outq_pool_deinit(&pool);
}

static void test_the_pool_keeps_so_many_and_no_more(void **state)
{
    (void)state;
    struct outq_pool pool = {0};
    struct outq q = {0};
    const size_t blocks = OUTQ_POOL_BLOCKS + 10;
    allocation_count = 0;
    for (size_t i = 0; i < blocks; i++) {
        append(&q, &pool, 0, OUTQ_BLOCK_BYTES);
    }
    assert_int_equal(allocation_count, blocks);
    outq_consume(&q, &pool, q.len);
    assert_int_equal(pool.spare_count, OUTQ_POOL_BLOCKS);
    append(&q, &pool, 0, OUTQ_BLOCK_BYTES);
    assert_int_equal(allocation_count, blocks);
    outq_consume(&q, &pool, q.len);
    outq_pool_deinit(&pool);
    assert_null(pool.spare);
}

static void test_without_memory_nothing_is_queued(void **state)
{
    (void)state;
    struct outq_pool pool = {0};
    struct outq q = {0};
    allocations_left = 0;
    assert_int_equal(outq_append(&q, &pool, "x", 1), UV_ENOMEM);
    allocations_left = SIZE_MAX;
    append(&q, &pool, 0, OUTQ_BLOCK_BYTES - 1);
    allocations_left = 0;
    assert_null(outq_reserve(&q, &pool, 2));
    assert_int_equal(outq_append(&q, &pool, "", 0), 0);
    allocations_left = SIZE_MAX;
    append(&q, &pool, OUTQ_BLOCK_BYTES - 1, 1); /* the last byte of the block */
    drain(&q, &pool, 0, OUTQ_BLOCK_BYTES);
    outq_pool_deinit(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_survives_any_cuts),
        cmocka_unit_test(test_one_bigger_than_a_block_is_in_one_piece),
        cmocka_unit_test(test_what_is_reserved_but_not_committed_is_not_sent),
        cmocka_unit_test(test_the_pool_keeps_so_many_and_no_more),
        cmocka_unit_test(test_without_memory_nothing_is_queued),
    };
    return cmocka_run_group_tests_name("outq", tests, NULL, NULL);
}
