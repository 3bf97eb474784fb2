/* SPDX-License-Identifier: MIT
 *
 * test_redis_alloc.c - clients are opened while memory is missing.
 *
 * The sources are included, with their calloc replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "core/redis/redis.c"
#undef calloc

static void count_close(void *arg)
{
    int *count = arg;
    (*count)++;
}

static void test_open(void **state)
{
    (void)state;
    struct loop *loop;
    assert_int_equal(loop_create(&loop), 0);
    const struct redis_options options = {.host = "127.0.0.1", .port = 1};
    struct redis *redis = NULL;
    size_t failures = 0;
    for (allocations_left = 0; redis == NULL; allocations_left = failures) {
        const int status = redis_open(loop, &options, &redis);
        assert_int_equal(status, redis == NULL ? UV_ENOMEM : 0);
        failures += redis == NULL ? 1 : 0;
    }
    assert_int_equal(failures, 2); /* the client, and its ring */
    int closed = 0;
    redis_close(redis, count_close, &closed);
    while (closed == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    loop_destroy(loop); /* aborts when a handle of a failed one is open */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests_name("redis_alloc", tests, NULL, NULL);
}
