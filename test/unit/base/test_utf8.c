/* SPDX-License-Identifier: MIT
 *
 * test_utf8.c - the edges of each length, and what only looks like UTF-8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/utf8.h"

static void test_first_and_last_of_each_length(void **state)
{
    (void)state;
    assert_int_equal(utf8_len(STR("\0")), 1);
    assert_int_equal(utf8_len(STR("\x7F")), 1);
    assert_int_equal(utf8_len(STR("\xC2\x80")), 2);
    assert_int_equal(utf8_len(STR("\xDF\xBF")), 2);
    assert_int_equal(utf8_len(STR("\xE0\xA0\x80")), 3);
    assert_int_equal(utf8_len(STR("\xED\x9F\xBF")), 3);
    assert_int_equal(utf8_len(STR("\xEF\xBF\xBF")), 3);
    assert_int_equal(utf8_len(STR("\xF0\x90\x80\x80")), 4);
    assert_int_equal(utf8_len(STR("\xF4\x8F\xBF\xBF")), 4);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct str texts[] = {
        {"\x80", 1},             /* continues nothing */
        {"\xC1\xBF", 2},         /* overlong */
        {"\xE0\x9F\xBF", 3},     /* overlong */
        {"\xF0\x8F\xBF\xBF", 4}, /* overlong */
        {"\xED\xA0\x80", 3},     /* a surrogate */
        {"\xF4\x90\x80\x80", 4}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", 4}, /* above U+10FFFF */
        {"\xC2", 1},             /* cut off; so are the next */
        {"\xE2\x82", 2},
        {"\xF0\x9F\x8F", 3},
        {"\xE2\x82\x41", 3}, /* the third byte continues nothing */
        {"\xFF", 1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        size_t count = 7;
        assert_int_equal(utf8_len(texts[i]), 0);
        assert_false(utf8_count(texts[i], &count));
        assert_int_equal(count, 7);
    }
}

static void test_count(void **state)
{
    (void)state;
    size_t count;
    assert_true(utf8_count((struct str){NULL, 0}, &count));
    assert_int_equal(count, 0);
    assert_true(utf8_count(STR("S\xC3\xA3o \xF0\x9F\x8F\xA0\0"), &count));
    assert_int_equal(count, 6);
    assert_false(utf8_count(STR("ok\xC3"), &count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_and_last_of_each_length),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_count),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
