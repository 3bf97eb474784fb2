/* SPDX-License-Identifier: MIT
 *
 * test_number.c - short, exact, and the same text as other exporters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/telemetry/number.h"

static void assert_formats(double value, const char *expected)
{
    char out[NUMBER_BYTES];
    number_format(out, value);
    assert_string_equal(out, expected);
}

static void assert_formats_bound(double value, const char *expected)
{
    char out[NUMBER_BYTES];
    number_format_bound(out, value);
    assert_string_equal(out, expected);
}

static void test_integers_are_plain(void **state)
{
    (void)state;
    assert_formats(0, "0");
    assert_formats(-7, "-7");
    assert_formats(1e6, "1000000");
    assert_formats(9007199254740991.0, "9007199254740991");
    assert_formats(9007199254740992.0, "9007199254740992");
    assert_formats(1e300, "1e+300");
}

static void test_fractions_are_short(void **state)
{
    (void)state;
    assert_formats(0.1, "0.1");
    assert_formats(-0.005, "-0.005");
    assert_formats(0.1 + 0.2, "0.30000000000000004");
    assert_formats(1.5e-9, "1.5e-09");
}

static void test_every_text_reads_back(void **state)
{
    (void)state;
    const double values[] = {1.0 / 3, 2.0 / 3e10, DBL_MAX,           DBL_MIN,
                             5e-324,  -DBL_MIN,   4503599627370497.5};
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        char out[NUMBER_BYTES];
        number_format(out, values[i]);
        assert_true(strtod(out, NULL) == values[i]);
        number_format_bound(out, values[i]);
        assert_true(strtod(out, NULL) == values[i]);
    }
}

static void test_what_is_not_finite_has_a_name(void **state)
{
    (void)state;
    assert_formats(NAN, "NaN");
    assert_formats(INFINITY, "+Inf");
    assert_formats(-INFINITY, "-Inf");
    assert_formats_bound(INFINITY, "+Inf");
}

static void test_bounds_follow_the_canonical_numbers(void **state)
{
    (void)state;
    assert_formats_bound(0.001, "0.001");
    assert_formats_bound(1e-5, "1e-05");
    assert_formats_bound(10, "10");
    assert_formats_bound(100000, "100000");
    assert_formats_bound(1e6, "1e+06");
    assert_formats_bound(1e10, "1e+10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_plain),
        cmocka_unit_test(test_fractions_are_short),
        cmocka_unit_test(test_every_text_reads_back),
        cmocka_unit_test(test_what_is_not_finite_has_a_name),
        cmocka_unit_test(test_bounds_follow_the_canonical_numbers),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
