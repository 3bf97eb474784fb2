/* SPDX-License-Identifier: MIT
 *
 * test_sql_time.c - the calendar both ways, and what error codes mean; no server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <time.h>

#include "core/sql/sql_time.h"

#define US_PER_S INT64_C(1000000)
#define FIRST_S  INT64_C(-62135596800) /* 0001-01-01 00:00:00 */
#define LAST_S   INT64_C(253402300799) /* 9999-12-31 23:59:59 */
#define STEP_S   INT64_C(8640011)      /* a hundred days and eleven seconds */

static void assert_both_ways(int64_t us)
{
    MYSQL_TIME split;
    struct tm expected;
    const time_t seconds = (time_t)((us - (us % US_PER_S + US_PER_S) % US_PER_S) / US_PER_S);
    assert_non_null(gmtime_r(&seconds, &expected));
    assert_true(sql_time_from_us(us, &split));
    assert_int_equal(split.year, expected.tm_year + 1900);
    assert_int_equal(split.month, expected.tm_mon + 1);
    assert_int_equal(split.day, expected.tm_mday);
    assert_int_equal(split.hour, expected.tm_hour);
    assert_int_equal(split.minute, expected.tm_min);
    assert_int_equal(split.second, expected.tm_sec);
    int64_t joined = 0;
    assert_true(sql_time_to_us(&split, &joined));
    assert_true(joined == us);
}

static void test_the_calendar_is_the_c_librarys(void **state)
{
    (void)state;
    for (int64_t s = FIRST_S; s <= LAST_S; s += STEP_S) {
        assert_both_ways(s * US_PER_S + (s & 0xFFFF));
    }
    assert_both_ways(FIRST_S * US_PER_S);
    assert_both_ways(LAST_S * US_PER_S + US_PER_S - 1);
    assert_both_ways(0);
    assert_both_ways(-1);
}

static void test_years_outside_are_refused(void **state)
{
    (void)state;
    MYSQL_TIME split;
    assert_false(sql_time_from_us(FIRST_S * US_PER_S - 1, &split));
    assert_false(sql_time_from_us((LAST_S + 1) * US_PER_S, &split));
    assert_false(sql_time_from_us(INT64_MIN, &split));
    assert_false(sql_time_from_us(INT64_MAX, &split));
}

static void test_a_date_of_zeros_is_none(void **state)
{
    (void)state;
    int64_t us = 7;
    assert_false(sql_time_to_us(&(MYSQL_TIME){.year = 0}, &us));
    assert_false(sql_time_to_us(&(MYSQL_TIME){.year = 2024, .month = 2, .day = 0}, &us));
    assert_false(sql_time_to_us(&(MYSQL_TIME){.year = 2024, .month = 0, .day = 2}, &us));
    assert_true(us == 7);
    assert_true(sql_time_to_us(&(MYSQL_TIME){.year = 0, .month = 1, .day = 1}, &us));
    assert_true(us == (FIRST_S - 366 * INT64_C(86400)) * US_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_calendar_is_the_c_librarys),
        cmocka_unit_test(test_years_outside_are_refused),
        cmocka_unit_test(test_a_date_of_zeros_is_none),
    };
    return cmocka_run_group_tests_name("sql_time", tests, NULL, NULL);
}
