/* SPDX-License-Identifier: MIT
 *
 * test_config_error.c - a message is one line that a terminal may show, however long and odd the
 * value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "config/config.h"
#include "config/config_error.h"
#include <cmocka.h>

#include <string.h>

static void test_it_is_one_line_of_printable_bytes(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_BYTES];
    assert_false(config_error_set(error, "%s=%s: %d", "NAME", "a\nb\t\x1b[31m\x7f", 5));
    assert_string_equal(error, "NAME=a?b??[31m?: 5");
    assert_false(config_error_set(error, "caf\xc3\xa9")); /* bytes of UTF-8 stay */
    assert_string_equal(error, "caf\xc3\xa9");
}

static void test_what_does_not_fit_is_cut(void **state)
{
    (void)state;
    char text[2 * CONFIG_ERROR_BYTES];
    char error[CONFIG_ERROR_BYTES + 1];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    error[CONFIG_ERROR_BYTES] = '#';
    assert_false(config_error_set(error, "%s", text));
    assert_int_equal(strlen(error), CONFIG_ERROR_BYTES - 1);
    assert_int_equal(error[CONFIG_ERROR_BYTES], '#');
}

/* What stands behind the value is still in the line: it is what is allowed. */
static void test_a_long_value_leaves_room_for_the_words_behind_it(void **state)
{
    (void)state;
    char text[CONFIG_ERROR_BYTES];
    char error[CONFIG_ERROR_BYTES];
    memset(text, 'x', sizeof(text));
    const struct str shown = config_error_clip((struct str){text, sizeof(text)});
    assert_ptr_equal(shown.ptr, text);
    assert_false(config_error_set(error, "\"%.*s\": a number", (int)shown.len, shown.ptr));
    assert_string_equal(error + strlen(error) - strlen("x\": a number"), "x\": a number");
    assert_int_equal(config_error_clip(STR("short")).len, 5);
    assert_int_equal(config_error_clip(STR("")).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_one_line_of_printable_bytes),
        cmocka_unit_test(test_what_does_not_fit_is_cut),
        cmocka_unit_test(test_a_long_value_leaves_room_for_the_words_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
