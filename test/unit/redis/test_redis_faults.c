/* SPDX-License-Identifier: MIT
 *
 * test_redis_faults.c - the command client against a server that lies, is silent and goes away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/telemetry/fd_count.h"
#include "test/unit/redis/redis_client.h"

static uint64_t count_fds(void)
{
    uint64_t count = 0;
    assert_true(fd_count_open(&count));
    return count;
}

/* assert_dropped says bytes while two commands wait: both end, and the client connects anew. */
static void assert_dropped(const char *bytes, size_t len)
{
    connect_client(&(const struct redis_options){.max_reply_bytes = 65536});
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say_bytes(&fake, bytes, len);
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].status, UV_ECONNRESET);
    assert_int_equal(results[1].status, UV_ECONNRESET);
    assert_int_equal(redis_pending_count(redis), 0);
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
    assert_int_equal(send_get(0, "a", 0), 0);
    turn_until(loop, &fake.commands, 4); /* the two, PING, and this one */
    fake_say(&fake, "+PONG\r\n$2\r\nok\r\n");
    turn_until(loop, &ended, 3);
    assert_string_equal(results[0].text, "ok");
}

static void assert_dropped_by(const char *text)
{
    assert_dropped(text, strlen(text));
}

static void test_garbage(void **state)
{
    (void)state;
    assert_dropped_by("HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void test_nesting_too_deep(void **state)
{
    (void)state;
    assert_dropped_by("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n");
}

static void test_array_too_long(void **state)
{
    (void)state;
    assert_dropped_by("*2147483647\r\n");
}

static void test_text_too_long(void **state)
{
    (void)state;
    static char bytes[256 << 10];
    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, "$100000000\r\n", 12);
    assert_dropped(bytes, sizeof(bytes));
}

static void test_reply_to_nothing(void **state)
{
    (void)state;
    connect_client(&no_options);
    fake_say(&fake, "+surprise\r\n");
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
}

static void test_gone_in_the_middle_of_a_reply(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say(&fake, "$1\r\na\r\n$100\r\nhal");
    fake_stop(&fake);
    turn_until(loop, &ended, 2);
    assert_string_equal(results[0].text, "a");
    assert_int_equal(results[1].status, UV_ECONNRESET);
    assert_int_equal(send_get(0, "a", 0), UV_ENOTCONN);
}

static void test_silence(void **state)
{
    (void)state;
    connect_client(&(const struct redis_options){.stall_timeout_ms = 300});
    assert_int_equal(send_get(0, "a", 60000), 0);
    turn_until(loop, &ended, 1); /* no deadline, and yet it ends */
    assert_int_equal(results[0].status, UV_ECONNRESET);
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
}

/* What a broken proxy sends may look like the beginning of a long reply, which all others become a
 * part of. */
static void test_a_reply_without_an_end(void **state)
{
    (void)state;
    connect_client(&(const struct redis_options){.stall_timeout_ms = 300});
    assert_int_equal(send_get(0, "a", 60000), 0);
    turn_until(loop, &fake.commands, 1);
    fake_say(&fake, "$1000000\r\n");
    while (ended == 0) {
        fake_say(&fake, "+PONG\r\n");
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(results[0].status, UV_ECONNRESET);
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
}

static void test_silence_in_the_greeting(void **state)
{
    (void)state;
    fake.greeting = NULL;
    open_client(&(const struct redis_options){.connect_timeout_ms = 100});
    turn_until(loop, &fake.accepted, 2);
    assert_false(redis_get_health(redis).is_ready);
    assert_string_equal(redis_get_health(redis).error, "connection timed out");
    fake.greeting = "+PONG\r\n";
    turn_until_ready();
}

/* assert_not_ready_by answers the greeting's PING with an error until a third connection. */
static void assert_not_ready_by(const char *greeting, const char *error)
{
    fake.greeting = greeting;
    open_client(&no_options);
    turn_until(loop, &fake.accepted, 3);
    assert_false(redis_get_health(redis).is_ready);
    assert_string_equal(redis_get_health(redis).error, error);
    assert_int_equal(send_get(0, "a", 0), UV_ENOTCONN);
    fake.greeting = "+PONG\r\n";
    turn_until_ready();
}

static void test_loading(void **state)
{
    (void)state;
    assert_not_ready_by("-LOADING Redis is loading the dataset in memory\r\n",
                        "LOADING Redis is loading the dataset in memory");
}

static void test_password_wanted(void **state)
{
    (void)state;
    assert_not_ready_by("-NOAUTH Authentication required.\r\n", "NOAUTH Authentication required.");
}

static void test_a_replica_is_left(void **state)
{
    (void)state;
    connect_client(&no_options);
    assert_int_equal(send_get(0, "a", 0), 0);
    assert_int_equal(send_get(1, "b", 0), 0);
    turn_until(loop, &fake.commands, 2);
    fake_say(&fake, "-READONLY You can't write against a read only replica.\r\n");
    turn_until(loop, &ended, 2);
    assert_int_equal(results[0].status, UV_EREMOTEIO);
    assert_int_equal(results[1].status, UV_ECONNRESET);
    turn_until(loop, &fake.accepted, 2);
    turn_until_ready();
}

static void test_reconnecting_leaves_nothing(void **state)
{
    (void)state;
    connect_client(&no_options);
    const uint64_t open_fds = count_fds();
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(send_get(0, "a", 0), 0);
        fake_hang_up(&fake);
        turn_until(loop, &ended, i);
        turn_until(loop, &fake.accepted, 1 + i);
        turn_until_ready();
    }
    assert_int_equal(count_fds(), open_fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_garbage),
        TEST(test_nesting_too_deep),
        TEST(test_array_too_long),
        TEST(test_text_too_long),
        TEST(test_reply_to_nothing),
        TEST(test_gone_in_the_middle_of_a_reply),
        TEST(test_silence),
        TEST(test_a_reply_without_an_end),
        TEST(test_silence_in_the_greeting),
        TEST(test_loading),
        TEST(test_password_wanted),
        TEST(test_a_replica_is_left),
        TEST(test_reconnecting_leaves_nothing),
    };
    return cmocka_run_group_tests_name("redis_faults", tests, NULL, NULL);
}
