/* SPDX-License-Identifier: MIT
 *
 * test_parameter.c - parts of a value: a quoted string is one token, whatever it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/base.h"
#include "core/http/parameter.h"

static void assert_parts(const char *text, const char *const *parts, size_t count)
{
    struct str rest = str_from(text);
    struct str part;
    for (size_t i = 0; i < count; i++) {
        assert_true(parameter_next_part(&rest, ',', &part));
        assert_true(str_equal(part, str_from(parts[i])));
    }
    assert_false(parameter_next_part(&rest, ',', &part));
}

#define ASSERT_PARTS(text, ...)                                                                    \
    assert_parts(text, (const char *const[]){__VA_ARGS__},                                         \
                 ARRAY_COUNT(((const char *const[]){__VA_ARGS__})))

static void test_parts_end_outside_quotes(void **state)
{
    (void)state;
    ASSERT_PARTS("", "");
    ASSERT_PARTS("a", "a");
    ASSERT_PARTS(" a ,\tb,", "a", "b", "");
    ASSERT_PARTS("\"a,b\",c", "\"a,b\"", "c");
    ASSERT_PARTS("x=\"a\\\",b\",c", "x=\"a\\\",b\"", "c");
    ASSERT_PARTS("x=\"a\\\\\",b", "x=\"a\\\\\"", "b");
    ASSERT_PARTS("\"a,b", "\"a,b"); /* open: the rest is in it */
    ASSERT_PARTS("\"a\\", "\"a\\");
}

static void assert_next(struct str *rest, const char *name, const char *value)
{
    struct parameter parameter;
    assert_true(parameter_next(rest, &parameter));
    assert_true(str_equal(parameter.name, str_from(name)));
    assert_true(str_equal(parameter.value, str_from(value)));
}

static void test_parameters(void **state)
{
    (void)state;
    struct parameter parameter;
    struct str rest = STR("a=b; profile=\"x;charset=y\" ;; c = d;e");
    assert_next(&rest, "a", "b");
    assert_next(&rest, "profile", "\"x;charset=y\"");
    assert_next(&rest, "", "");
    assert_next(&rest, "c", "d");
    assert_next(&rest, "e", "");
    assert_false(parameter_next(&rest, &parameter));
}

static void test_a_quoted_value_is_what_it_says(void **state)
{
    (void)state;
    static const char *const same[] = {"utf-8", "UTF-8", "\"utf-8\"", "\"u\\tf-8\"",
                                       "\"\\u\\t\\f-8\""};
    static const char *const other[] = {
        "", "\"\"", "utf", "utf-88", "\"utf-8", "\"utf-88\"", "\"utf-\"", "\"utf-8\\\"", "'utf-8'"};
    for (size_t i = 0; i < ARRAY_COUNT(same); i++) {
        assert_true(parameter_is(str_from(same[i]), STR("utf-8")));
    }
    for (size_t i = 0; i < ARRAY_COUNT(other); i++) {
        assert_false(parameter_is(str_from(other[i]), STR("utf-8")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_end_outside_quotes),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_a_quoted_value_is_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
