/* SPDX-License-Identifier: MIT
 *
 * test_redis_reader.c - every kind of reply, cut anywhere, and what is no reply or too much of one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "core/loop/loop.h"
#include "core/redis/redis_reader.h"

#define MAX_BYTES 65536

static struct redis_reader reader;

static int set_up(void **state)
{
    (void)state;
    redis_reader_init(&reader, MAX_BYTES);
    return redis_reader_reset(&reader);
}

static int tear_down(void **state)
{
    (void)state;
    redis_reader_deinit(&reader);
    return 0;
}

static void feed(const char *text)
{
    assert_int_equal(redis_reader_feed(&reader, text, strlen(text)), 0);
}

static const struct redis_reply *take(void)
{
    const struct redis_reply *reply = NULL;
    assert_int_equal(redis_reader_next(&reader, &reply), 1);
    return reply;
}

static void assert_text(const struct redis_reply *reply, enum redis_type type, const char *text)
{
    assert_int_equal(reply->type, type);
    assert_int_equal(reply->text.len, strlen(text));
    assert_string_equal(reply->text.ptr, text); /* with its NUL */
}

static void assert_fails(const char *text, int status)
{
    const struct redis_reply *reply;
    feed(text);
    assert_int_equal(redis_reader_next(&reader, &reply), status);
    assert_int_equal(redis_reader_reset(&reader), 0);
    feed("+OK\r\n");
    assert_text(take(), REDIS_STATUS, "OK");
}

static void test_each_type(void **state)
{
    (void)state;
    feed("+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\rb\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n");
    assert_text(take(), REDIS_STATUS, "OK");
    assert_text(take(), REDIS_ERROR, "ERR no");
    const struct redis_reply *integer = take();
    assert_int_equal(integer->type, REDIS_INTEGER);
    assert_int_equal(integer->integer, -42);
    assert_text(take(), REDIS_TEXT, "a\rb");
    assert_text(take(), REDIS_TEXT, "");
    assert_int_equal(take()->type, REDIS_NIL);
    assert_int_equal(take()->type, REDIS_NIL);
    const struct redis_reply *array = take();
    assert_int_equal(array->type, REDIS_ARRAY);
    assert_int_equal(array->count, 0);
    const struct redis_reply *reply;
    assert_int_equal(redis_reader_next(&reader, &reply), 0);
}

static void check_nested(const struct redis_reply *reply)
{
    assert_int_equal(reply->type, REDIS_ARRAY);
    assert_int_equal(reply->count, 4);
    assert_int_equal(reply->items[0].integer, 1);
    assert_int_equal(reply->items[1].count, 2);
    assert_text(&reply->items[1].items[0], REDIS_TEXT, "ab");
    assert_int_equal(reply->items[1].items[1].type, REDIS_NIL);
    assert_text(&reply->items[2], REDIS_ERROR, "WRONGTYPE x");
    assert_text(&reply->items[3], REDIS_TEXT, "tail");
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    const struct str text =
        STR("*4\r\n:1\r\n*2\r\n$2\r\nab\r\n$-1\r\n-WRONGTYPE x\r\n$4\r\ntail\r\n");
    for (size_t cut = 0; cut < text.len; cut++) {
        const struct redis_reply *reply;
        assert_int_equal(redis_reader_feed(&reader, text.ptr, cut), 0);
        assert_int_equal(redis_reader_next(&reader, &reply), 0);
        assert_int_equal(redis_reader_feed(&reader, text.ptr + cut, text.len - cut), 0);
        check_nested(take());
    }
}

static void test_code_of_an_error(void **state)
{
    (void)state;
    feed("-NOSCRIPT No matching script\r\n-NOSCRIPTS x\r\n+NOSCRIPT x\r\n-NOSCRIPT\r\n");
    assert_true(redis_reply_has_code(take(), STR("NOSCRIPT")));
    assert_false(redis_reply_has_code(take(), STR("NOSCRIPT")));
    assert_false(redis_reply_has_code(take(), STR("NOSCRIPT")));
    assert_false(redis_reply_has_code(take(), STR("NOSCRIPT")));
}

static void test_garbage(void **state)
{
    (void)state;
    assert_fails("HTTP/1.1 400 Bad Request\r\n\r\n", UV_EPROTO);
    assert_fails(":12a\r\n", UV_EPROTO);
    assert_fails("$-2\r\n", UV_EPROTO);
    assert_fails("$x\r\n", UV_EPROTO);
    assert_fails("*-2\r\n", UV_EPROTO);
    assert_fails("*99999999999999999999\r\n", UV_EPROTO);
    assert_fails("%1\r\n+a\r\n+b\r\n", UV_EPROTO); /* RESP3 was not asked for */
}

static void test_nesting_has_an_end(void **state)
{
    (void)state;
    feed("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n");
    assert_int_equal(take()->count, 1);
    assert_fails("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", UV_EPROTO);
}

static void test_too_many_items(void **state)
{
    (void)state;
    assert_fails("*2147483647\r\n", UV_EMSGSIZE);
    assert_fails("*2000\r\n", UV_EMSGSIZE); /* 2000 items need more than MAX_BYTES */
}

static void test_too_long_a_text(void **state)
{
    (void)state;
    char chunk[REDIS_READER_FEED_BYTES];
    memset(chunk, 'x', sizeof(chunk));
    feed("$536870912\r\n");
    int status = 0;
    size_t fed = 0;
    while (status == 0) {
        const struct redis_reply *reply;
        assert_int_equal(redis_reader_next(&reader, &reply), 0);
        status = redis_reader_feed(&reader, chunk, sizeof(chunk));
        fed += sizeof(chunk);
    }
    assert_int_equal(status, UV_EMSGSIZE);
    assert_true(fed > MAX_BYTES - sizeof(chunk) && fed <= MAX_BYTES + sizeof(chunk));
}

static void test_much_that_is_small(void **state)
{
    (void)state;
    /* the limit is one reply's, not the connection's */
    char chunk[REDIS_READER_FEED_BYTES];
    for (size_t i = 0; i < sizeof(chunk); i += 4) {
        memcpy(chunk + i, ":1\r\n", 4);
    }
    for (size_t i = 0; i < 4 * MAX_BYTES / sizeof(chunk); i++) {
        assert_int_equal(redis_reader_feed(&reader, chunk, sizeof(chunk)), 0);
        for (size_t j = 0; j < sizeof(chunk) / 4; j++) {
            assert_int_equal(take()->integer, 1);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_type),          TEST(test_cut_anywhere),
        TEST(test_code_of_an_error),   TEST(test_garbage),
        TEST(test_too_many_items),     TEST(test_nesting_has_an_end),
        TEST(test_much_that_is_small), TEST(test_too_long_a_text),
    };
    return cmocka_run_group_tests_name("redis_reader", tests, NULL, NULL);
}
