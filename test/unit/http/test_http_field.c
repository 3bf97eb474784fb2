/* SPDX-License-Identifier: MIT
 *
 * test_http_field.c - which fields a handler may send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/http/http_field.h"

static void test_tokens_are_sent(void **state)
{
    (void)state;
    static const char *const names[] = {"x", "X-Test", "!#$%&'*+-.^_`|~09azAZ", "contents", "dat"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_true(http_field_check(str_from(names[i]), STR("a value; with=\"all\" \xC3\xA9")));
    }
    assert_true(http_field_check(STR("x"), STR("")));
    assert_true(http_field_check_type(STR("text/plain; charset=utf-8")));
}

static void test_what_is_no_token_is_not(void **state)
{
    (void)state;
    static const char *const names[] = {"",      "X Y", "X:",    ":status", "X\t", "X\r\nY", "X(",
                                        "\"X\"", "X,Y", "X\x7F", "X\xC3",   "[X]", "X/Y",    "{X}"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_false(http_field_check(str_from(names[i]), STR("value")));
    }
    assert_false(http_field_check((struct str){"a\0b", 3}, STR("value")));
}

static void test_values_have_no_control_byte(void **state)
{
    (void)state;
    static const char *const values[] = {"\r", "a\nb", "a\r\nSet-Cookie: b", "\x7F", "\x01"};
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        assert_false(http_field_check(STR("x"), str_from(values[i])));
        assert_false(http_field_check_type(str_from(values[i])));
    }
}

static void test_what_the_server_sends_is_not_the_handlers(void **state)
{
    (void)state;
    static const char *const names[] = {"Content-Length",   "content-length", "Transfer-Encoding",
                                        "Connection",       "Keep-Alive",     "Date",
                                        "Proxy-Connection", "Upgrade",        "TE",
                                        "Trailer",          "Content-Type"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_true(http_field_is_own(str_from(names[i])));
        assert_false(http_field_check(str_from(names[i]), STR("value")));
    }
    assert_false(http_field_is_own(STR("content-encoding")));
    assert_false(http_field_is_own(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_are_sent),
        cmocka_unit_test(test_what_is_no_token_is_not),
        cmocka_unit_test(test_values_have_no_control_byte),
        cmocka_unit_test(test_what_the_server_sends_is_not_the_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
