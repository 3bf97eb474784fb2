/* SPDX-License-Identifier: MIT
 *
 * test_literal.c - one copy of each text, and none when the table is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "core/base/literal.h"

static void test_a_text_is_kept_once(void **state)
{
    (void)state;
    char text[] = "GET";
    const char *kept_get = literal_keep(str_from(text));
    text[0] = 'S';
    assert_string_equal(kept_get, "GET");
    assert_string_equal(literal_keep(str_from(text)), "SET");
    assert_ptr_equal(literal_keep(STR("GET")), kept_get);
}

static void test_a_long_text_is_cut(void **state)
{
    (void)state;
    char text[100];
    memset(text, 'x', sizeof(text));
    assert_int_equal(strlen(literal_keep((struct str){text, sizeof(text)})), LITERAL_MAX_BYTES);
}

static void test_the_table_has_an_end(void **state)
{
    (void)state;
    char text[32];
    for (size_t i = 0; i < LITERALS_MAX; i++) {
        (void)snprintf(text, sizeof(text), "text %zu", i);
        (void)literal_keep(str_from(text));
    }
    assert_string_equal(literal_keep(STR("one more")), "other");
    assert_string_equal(literal_keep(STR("GET")), "GET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_kept_once),
        cmocka_unit_test(test_a_long_text_is_cut),
        cmocka_unit_test(test_the_table_has_an_end),
    };
    return cmocka_run_group_tests_name("literal", tests, NULL, NULL);
}
