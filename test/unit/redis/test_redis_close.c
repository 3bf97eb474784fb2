/* SPDX-License-Identifier: MIT
 *
 * test_redis_close.c - the command client is closed in every state and from its own callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/redis/redis_client.h"

static void test_close_ends_what_waits(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    redis_close(redis, on_closed, &closed);
    assert_int_equal(ended, 0);
    assert_int_equal(send_get(2, "c", 0), UV_ENOTCONN);
    turn_until(loop, &closed, 1);
    redis = NULL;
    assert_int_equal(ended, 2);
    assert_int_equal(results[0].status, UV_ECANCELED);
    assert_int_equal(results[1].status, UV_ECANCELED);
}

static void test_close_in_every_state(void **state)
{
    (void)state;
    open_client(&no_options);
    close_and_wait(); /* before it dialled */
    closed = 0;
    fake.greeting = NULL;
    open_client(&no_options);
    turn_until(loop, &fake.accepted, 1);
    close_and_wait(); /* while it greets */
    closed = 0;
    fake_stop(&fake);
    open_client(&no_options);
    while (redis_get_health(redis).error[0] == '\0') {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    close_and_wait(); /* while it waits for the next attempt */
}

static void test_close_while_a_name_is_looked_up(void **state)
{
    (void)state;
    /* .invalid never resolves: RFC 6761 */
    const struct redis_options options = {.host = "redis.invalid", .lookups = &lookups, .port = 1};
    assert_int_equal(redis_open(loop, &options, &redis), 0);
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    close_and_wait();
}

static void test_unknown_name(void **state)
{
    (void)state;
    const struct redis_options options = {.host = "redis.invalid", .lookups = &lookups, .port = 1};
    assert_int_equal(redis_open(loop, &options, &redis), 0);
    while (redis_get_health(redis).error[0] == '\0') {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_false(redis_get_health(redis).is_ready);
}

static void on_reply_close(struct redis_call *call, int status, const struct redis_reply *reply)
{
    on_reply(call, status, reply);
    if (redis != NULL) {
        redis_close(redis, on_closed, &closed);
        redis = NULL;
    }
}

static void test_close_from_a_reply(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_call_init(&results[0].call, NULL, on_reply_close);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say(&fake, ":1\r\n:2\r\n");
    turn_until(loop, &closed, 1);
    assert_int_equal(results[0].status, 0);
    assert_int_equal(results[1].status, UV_ECANCELED);
}

static void test_close_from_the_end_of_a_lost_call(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_call_init(&results[0].call, NULL, on_reply_close);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_stop(&fake);
    turn_until(loop, &closed, 1);
    assert_int_equal(results[0].status, UV_ECONNRESET);
    assert_int_equal(results[1].status, UV_ECONNRESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_close_ends_what_waits),
        TEST(test_close_in_every_state),
        TEST(test_close_while_a_name_is_looked_up),
        TEST(test_unknown_name),
        TEST(test_close_from_a_reply),
        TEST(test_close_from_the_end_of_a_lost_call),
    };
    return cmocka_run_group_tests_name("redis_close", tests, NULL, NULL);
}
