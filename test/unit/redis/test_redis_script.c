/* SPDX-License-Identifier: MIT
 *
 * test_redis_script.c - by text first, by hash then, and by text again when the server forgot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/redis/redis_script.h"
#include "test/unit/redis/redis_client.h"

#define SHA    "0123456789012345678901234567890123456789"
#define LOADED "$40\r\n" SHA "\r\n"

static struct redis_script script;
static struct redis_eval eval;
static const struct str args[] = {{"k", 1}, {"a", 1}};

static void on_eval(struct redis_eval *of, int status, const struct redis_reply *reply)
{
    on_reply(&results[0].call, status, reply);
    assert_ptr_equal(of, &eval);
}

static int run_script(uint64_t timeout_ms)
{
    eval = (struct redis_eval){.script = &script,
                               .args = args,
                               .key_count = 1,
                               .count = 2,
                               .timeout_ms = timeout_ms,
                               .on_reply = on_eval};
    return redis_eval_send(redis, &eval, NULL);
}

/* learn runs the script once, so that its hash is known. */
static void learn(void)
{
    connect_client(&no_options);
    redis_script_init(&script, "return 1");
    assert_int_equal(run_script(0), 0);
    turn_until(loop, &fake.commands, 2);
    assert_string_equal(fake.log, "SCRIPT LOAD return 1|EVAL return 1 1 k a|");
    fake_say(&fake, LOADED ":1\r\n");
    turn_until(loop, &ended, 1);
    assert_int_equal(results[0].integer, 1);
    fake.log[0] = '\0';
    fake.commands = 0;
}

static void test_hash_after_the_first_time(void **state)
{
    (void)state;
    learn();
    assert_int_equal(run_script(0), 0);
    turn_until(loop, &fake.commands, 1);
    assert_string_equal(fake.log, "EVALSHA " SHA " 1 k a|");
    fake_say(&fake, ":2\r\n");
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].integer, 2);
}

static void test_server_forgot(void **state)
{
    (void)state;
    learn();
    assert_int_equal(run_script(60000), 0);
    turn_until(loop, &fake.commands, 1);
    fake_say(&fake, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
    turn_until(loop, &fake.commands, 2);
    assert_int_equal(ended, 1);
    assert_string_equal(fake.log, "EVALSHA " SHA " 1 k a|EVAL return 1 1 k a|");
    fake_say(&fake, ":3\r\n");
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].integer, 3);
}

static void test_an_error_of_the_script_is_told(void **state)
{
    (void)state;
    learn();
    assert_int_equal(run_script(0), 0);
    turn_until(loop, &fake.commands, 1);
    fake_say(&fake, "-ERR user_script:1: oops\r\n");
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].status, UV_EREMOTEIO);
    assert_string_equal(results[0].text, "ERR user_script:1: oops");
    assert_int_equal(fake.commands, 1);
}

static void test_server_will_not_load(void **state)
{
    (void)state;
    connect_client(&no_options);
    redis_script_init(&script, "return 1");
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(run_script(0), 0);
        turn_until(loop, &fake.commands, 2 * i);
        fake_say(&fake, "-NOPERM\r\n:1\r\n");
        turn_until(loop, &ended, i);
        assert_int_equal(results[0].status, 0);
    }
}

static void test_cancelled_between_the_attempts(void **state)
{
    (void)state;
    learn();
    assert_int_equal(run_script(0), 0);
    turn_until(loop, &fake.commands, 1);
    fake_say(&fake, "-NOSCRIPT No matching script.\r\n");
    turn_until(loop, &fake.commands, 2);
    redis_eval_cancel(&eval);
    fake_say(&fake, ":3\r\n");
    while (redis_pending_count(redis) > 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(ended, 1);
}

static void test_no_connection(void **state)
{
    (void)state;
    open_client(&no_options);
    redis_script_init(&script, "return 1");
    assert_int_equal(run_script(0), UV_ENOTCONN);
    assert_null(script.load.redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hash_after_the_first_time),      TEST(test_server_forgot),
        TEST(test_an_error_of_the_script_is_told), TEST(test_server_will_not_load),
        TEST(test_cancelled_between_the_attempts), TEST(test_no_connection),
    };
    return cmocka_run_group_tests_name("redis_script", tests, NULL, NULL);
}
