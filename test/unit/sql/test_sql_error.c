/* SPDX-License-Identifier: MIT
 *
 * test_sql_error.c - what errors mean by number, SQLSTATE and range, and what of their texts is
 * logged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/loop/loop.h"
#include "core/sql/sql_error.h"

static void check(unsigned code, const char *sqlstate, int status, bool is_fatal,
                  enum sql_again again)
{
    const struct sql_meaning meaning = sql_error_meaning(code, sqlstate);
    if (meaning.status != status || meaning.is_fatal != is_fatal || meaning.again != again) {
        fail_msg("%u %s: %s %d %d", code, sqlstate, uv_err_name(meaning.status), meaning.is_fatal,
                 meaning.again);
    }
}

static void test_by_number(void **state)
{
    (void)state;
    check(0, "", 0, false, SQL_AGAIN_NEVER);
    check(1062, "23000", UV_EEXIST, false, SQL_AGAIN_NEVER);
    check(1020, "HY000", UV_ECONNABORTED, false, SQL_AGAIN_ALL);
    check(1213, "40001", UV_ECONNABORTED, false, SQL_AGAIN_ALL);
    check(1205, "HY000", UV_EBUSY, false, SQL_AGAIN_NEVER);
    check(1290, "HY000", UV_EROFS, true, SQL_AGAIN_NEVER);
    check(1792, "25006", UV_EROFS, true, SQL_AGAIN_NEVER);
    check(1836, "HY000", UV_EROFS, true, SQL_AGAIN_NEVER);
    check(1047, "08S01", UV_ENOTCONN, true, SQL_AGAIN_READ);
    check(1158, "08S01", UV_ECONNRESET, true, SQL_AGAIN_READ);
    check(1161, "08S01", UV_ECONNRESET, true, SQL_AGAIN_READ);
    check(9001, "HY000", UV_ECONNRESET, true, SQL_AGAIN_READ);
    check(2013, "HY000", UV_ECONNRESET, true, SQL_AGAIN_READ);
    check(4031, "HY000", UV_ECONNRESET, true, SQL_AGAIN_READ);
    check(1064, "42000", UV_EIO, false, SQL_AGAIN_NEVER);
}

static void test_the_number_goes_before_the_sqlstate(void **state)
{
    (void)state;
    check(1062, "08S01", UV_EEXIST, false, SQL_AGAIN_NEVER);
    check(1290, "45000", UV_EROFS, true, SQL_AGAIN_NEVER);
}

static void test_by_class(void **state)
{
    (void)state;
    const unsigned code = 6999; /* of nobody */
    check(code, "08000", UV_ECONNRESET, true, SQL_AGAIN_READ);
    check(code, "08S01", UV_ECONNRESET, true, SQL_AGAIN_READ);
    check(code, "21S01", UV_EIO, false, SQL_AGAIN_NEVER);
    check(code, "22003", UV_EINVAL, false, SQL_AGAIN_NEVER);
    check(code, "23000", UV_EINVAL, false, SQL_AGAIN_NEVER);
    check(code, "25006", UV_EROFS, true, SQL_AGAIN_NEVER);
    check(code, "25000", UV_EIO, true, SQL_AGAIN_NEVER);
    check(code, "28000", UV_EACCES, true, SQL_AGAIN_NEVER);
    check(code, "3D000", UV_EIO, true, SQL_AGAIN_READ);
    check(code, "40000", UV_ECONNABORTED, false, SQL_AGAIN_ALL);
    check(code, "53000", UV_EBUSY, false, SQL_AGAIN_NEVER);
    check(code, "70100", UV_EBUSY, false, SQL_AGAIN_NEVER);
    check(code, "XA102", UV_EIO, true, SQL_AGAIN_NEVER);
    check(code, "42000", UV_EIO, false, SQL_AGAIN_NEVER);
    check(code, "HY000", UV_EIO, false, SQL_AGAIN_NEVER);
    check(code, "", UV_EIO, false, SQL_AGAIN_NEVER);
    check(code, "0", UV_EIO, false, SQL_AGAIN_NEVER);
}

static void test_by_range(void **state)
{
    (void)state;
    check(2999, "HY000", UV_EIO, true, SQL_AGAIN_NEVER); /* the library's, whatever it is */
    check(65000, "HY000", UV_EIO, false, SQL_AGAIN_NEVER);
}

/* Whatever the number: what is run again by itself when it may have taken effect is a read
 * alone. */
static void test_no_write_runs_twice(void **state)
{
    (void)state;
    for (unsigned code = 1; code < 65536; code++) {
        const struct sql_meaning meaning = sql_error_meaning(code, "HY000");
        if (meaning.again == SQL_AGAIN_ALL) {
            assert_true(meaning.status == UV_ECONNABORTED || meaning.status == UV_EBUSY);
        }
        if (meaning.status == UV_ECONNRESET || meaning.status == UV_EROFS ||
            meaning.status == UV_EPROTO) {
            assert_true(meaning.is_fatal);
        }
    }
}

static void check_text(const char *message, const char *wanted, const struct sql_value *params,
                       size_t count)
{
    char out[SQL_ERROR_TEXT_BYTES];
    sql_error_text(str_from(message), params, count, out);
    assert_string_equal(out, wanted);
}

static void test_texts(void **state)
{
    (void)state;
    check_text("", "", NULL, 0);
    check_text("Field 'owner' doesn't have a default value",
               "Field '?' doesn't have a default value", NULL, 0);
    check_text("Duplicate entry 'secret' for key 'PRIMARY'", "Duplicate entry '?' for key '?'",
               NULL, 0);
    check_text("CONSTRAINT `price` failed for `toq`.`listings`",
               "CONSTRAINT '?' failed for '?'.'?'", NULL, 0);
    check_text("near \"DROP\" at line 1", "near '?' at line 1", NULL, 0);
    check_text("cut off in 'the mid", "cut off in '?'", NULL, 0);
    check_text("'", "'?'", NULL, 0);
    check_text("a ''", "a '?'", NULL, 0);
}

static void test_a_text_with_quotes_leaks_nothing(void **state)
{
    (void)state;
    const struct sql_value params[] = {sql_i64(1), sql_text(STR("it' secret 'is"))};
    check_text("Duplicate entry 'it' secret 'is' for key 'PRIMARY' today",
               "Duplicate entry '?' today", params, ARRAY_COUNT(params));
}

static void test_a_long_text_is_cut(void **state)
{
    (void)state;
    char long_text[2 * SQL_ERROR_TEXT_BYTES];
    char out[SQL_ERROR_TEXT_BYTES];
    memset(long_text, 'x', sizeof(long_text));
    sql_error_text((struct str){long_text, sizeof(long_text)}, NULL, 0, out);
    assert_int_equal(strlen(out), SQL_ERROR_TEXT_BYTES - 1);
    long_text[SQL_ERROR_TEXT_BYTES - 3] = ' ';
    long_text[SQL_ERROR_TEXT_BYTES - 2] = '\'';
    sql_error_text((struct str){long_text, sizeof(long_text)}, NULL, 0, out);
    assert_int_equal(strlen(out), SQL_ERROR_TEXT_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_number),
        cmocka_unit_test(test_the_number_goes_before_the_sqlstate),
        cmocka_unit_test(test_by_class),
        cmocka_unit_test(test_by_range),
        cmocka_unit_test(test_no_write_runs_twice),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_a_text_with_quotes_leaks_nothing),
        cmocka_unit_test(test_a_long_text_is_cut),
    };
    return cmocka_run_group_tests_name("sql_error", tests, NULL, NULL);
}
