/* SPDX-License-Identifier: MIT
 *
 * test_str.c - views with and without bytes, numbers at their edges, fields.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/str.h"

static void test_equal_takes_views_without_bytes(void **state)
{
    (void)state;
    const struct str none = {NULL, 0};
    assert_true(str_equal(none, none));
    assert_true(str_equal(none, STR("")));
    assert_false(str_equal(none, STR("a")));
    assert_true(str_equal(str_from(NULL), STR("")));
    assert_true(str_equal(str_from("abc"), STR("abc")));
    assert_false(str_equal(STR("abc"), STR("abd")));
    assert_false(str_equal(STR("abc"), STR("abcd")));
    assert_true(str_equal(STR("a\0b"), STR("a\0b")));
    assert_false(str_equal(STR("a\0b"), STR("a\0c")));
}

static void test_equal_nocase_looks_at_every_byte(void **state)
{
    (void)state;
    static const char name[] = "access-control-request-method";
    for (size_t len = 1; len < sizeof(name); len++) {
        for (size_t at = 0; at < len; at++) {
            char other[sizeof(name)];
            memcpy(other, name, sizeof(name));
            assert_true(str_equal_nocase((struct str){name, len}, (struct str){other, len}));
            other[at] ^= 0x20; /* the other case of a letter; no dash */
            assert_int_equal(str_equal_nocase((struct str){name, len}, (struct str){other, len}),
                             name[at] != '-');
            other[at] = '_';
            assert_false(str_equal_nocase((struct str){name, len}, (struct str){other, len}));
        }
    }
}

static void test_equal_nocase_folds_ascii_letters_alone(void **state)
{
    (void)state;
    assert_true(str_equal_nocase(STR("Keep-Alive"), STR("kEEP-aLIVE")));
    assert_false(str_equal_nocase(STR("close"), STR("closed")));
    /* bytes that differ by 0x20 as letters do, but are none */
    assert_false(str_equal_nocase(STR("@"), STR("\x60")));
    assert_false(str_equal_nocase(STR("["), STR("{")));
    assert_false(str_equal_nocase(STR("\xC0"), STR("\xE0")));
}

static void test_equal_secret(void **state)
{
    (void)state;
    assert_true(str_equal_secret(STR("correct horse"), STR("correct horse")));
    assert_false(str_equal_secret(STR("correct horse"), STR("correct hors")));
    assert_false(str_equal_secret(STR("correct hors"), STR("correct horse")));
    assert_false(str_equal_secret(STR("correct horse"), STR("correct horsf")));
    assert_false(str_equal_secret(STR("correct horse"), STR("")));
    /* a missing byte must not pass for a NUL */
    assert_false(str_equal_secret(STR("ab"), STR("ab\0")));
}

static void test_trim_cuts_blanks_alone(void **state)
{
    (void)state;
    assert_true(str_equal(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_equal(str_trim(STR(" \t ")), STR("")));
    assert_true(str_equal(str_trim(STR("\r\na\n")), STR("\r\na\n")));
    assert_int_equal(str_trim((struct str){NULL, 0}).len, 0);
}

static void test_parse_u64_reads_up_to_the_maximum(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(str_parse_u64(STR("0"), 0, &value));
    assert_int_equal(value, 0);
    assert_true(str_parse_u64(STR("65535"), 65535, &value));
    assert_int_equal(value, 65535);
    assert_false(str_parse_u64(STR("65536"), 65535, &value));
    assert_false(str_parse_u64(STR("7"), 6, &value));
    assert_true(str_parse_u64(STR("18446744073709551615"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_false(str_parse_u64(STR("18446744073709551616"), UINT64_MAX, &value));
    assert_false(str_parse_u64(STR("99999999999999999999999"), UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
}

static void test_parse_u64_takes_digits_alone(void **state)
{
    (void)state;
    const char *wrong[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1e3", "1.0", "1_000", "\xD9\xA1"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        uint64_t value = 7;
        assert_false(str_parse_u64(str_from(wrong[i]), UINT64_MAX, &value));
        assert_int_equal(value, 7);
    }
}

static void test_format_u64(void **state)
{
    (void)state;
    char out[20];
    const uint64_t values[] = {0, 9, 10, 12345, UINT64_MAX};
    const char *expected[] = {"0", "9", "10", "12345", "18446744073709551615"};
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        const size_t len = str_format_u64(out, values[i]);
        assert_true(str_equal((struct str){out, len}, str_from(expected[i])));
    }
}

static void test_format_i64(void **state)
{
    (void)state;
    char out[21];
    const int64_t values[] = {0, 9, -1, -12345, INT64_MAX, INT64_MIN};
    const char *expected[] = {
        "0", "9", "-1", "-12345", "9223372036854775807", "-9223372036854775808"};
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        const size_t len = str_format_i64(out, values[i]);
        assert_true(str_equal((struct str){out, len}, str_from(expected[i])));
    }
}

static void test_next_field_gives_each_once(void **state)
{
    (void)state;
    struct str rest = STR("a,,b,");
    struct str field;
    const char *expected[] = {"a", "", "b", ""};
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_true(str_next_field(&rest, ',', &field));
        assert_true(str_equal(field, str_from(expected[i])));
    }
    assert_false(str_next_field(&rest, ',', &field));
    assert_false(str_next_field(&rest, ',', &field));

    rest = STR("");
    assert_true(str_next_field(&rest, ',', &field));
    assert_int_equal(field.len, 0);
    assert_false(str_next_field(&rest, ',', &field));
}

static void test_hash_differs_by_byte_and_order(void **state)
{
    (void)state;
    assert_true(str_hash(STR("ab")) == str_hash(STR("ab")));
    assert_true(str_hash(STR("ab")) != str_hash(STR("ba")));
    assert_true(str_hash(STR("a")) != str_hash(STR("a\0")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_takes_views_without_bytes),
        cmocka_unit_test(test_equal_nocase_folds_ascii_letters_alone),
        cmocka_unit_test(test_equal_nocase_looks_at_every_byte),
        cmocka_unit_test(test_equal_secret),
        cmocka_unit_test(test_trim_cuts_blanks_alone),
        cmocka_unit_test(test_parse_u64_reads_up_to_the_maximum),
        cmocka_unit_test(test_parse_u64_takes_digits_alone),
        cmocka_unit_test(test_format_u64),
        cmocka_unit_test(test_format_i64),
        cmocka_unit_test(test_next_field_gives_each_once),
        cmocka_unit_test(test_hash_differs_by_byte_and_order),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
