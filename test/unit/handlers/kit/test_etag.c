/* SPDX-License-Identifier: MIT
 *
 * test_etag.c - tags of versions, and what fields name them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/kit/etag.h"

static void test_a_tag_is_the_version_in_quotes(void **state)
{
    (void)state;
    char out[ETAG_BYTES];
    assert_true(str_equal(etag_format(7, out), STR("\"7\"")));
    assert_true(str_equal(etag_format(UINT64_MAX, out), STR("\"18446744073709551615\"")));
}

static void test_lists_of_tags(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        enum etag_match strong;
        enum etag_match weak;
    } rows[] = {
        {"\"7\"", ETAG_SOME, ETAG_SOME},
        {" \"7\"\t", ETAG_SOME, ETAG_SOME},
        {"*", ETAG_SOME, ETAG_SOME},
        {"W/\"7\"", ETAG_NONE, ETAG_SOME},
        {"\"6\", \"7\"", ETAG_SOME, ETAG_SOME},
        {"\"6\",,W/\"7\" ,", ETAG_NONE, ETAG_SOME},
        {"\"07\"", ETAG_NONE, ETAG_NONE},
        {"\"77\"", ETAG_NONE, ETAG_NONE},
        {"\"\"", ETAG_NONE, ETAG_NONE},
        {"\"a,b\"", ETAG_NONE, ETAG_NONE},
        {"", ETAG_BROKEN, ETAG_BROKEN},
        {",", ETAG_BROKEN, ETAG_BROKEN},
        {"7", ETAG_BROKEN, ETAG_BROKEN},
        {"\"7", ETAG_BROKEN, ETAG_BROKEN},
        {"\"6\" \"7\"", ETAG_BROKEN, ETAG_BROKEN},
        {"*, \"7\"", ETAG_BROKEN, ETAG_BROKEN},
        {"w/\"7\"", ETAG_BROKEN, ETAG_BROKEN},
        {"W/7", ETAG_BROKEN, ETAG_BROKEN},
        {"\"7\"x", ETAG_BROKEN, ETAG_BROKEN},
        {"\"a b\"", ETAG_BROKEN, ETAG_BROKEN},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct str field = str_from(rows[i].field);
        assert_int_equal(etag_compare(field, 7, false), rows[i].strong);
        assert_int_equal(etag_compare(field, 7, true), rows[i].weak);
    }
}

static void test_one_strong_tag(void **state)
{
    (void)state;
    static const char *const others[] = {"*",       "\"7\", \"8\"",
                                         "W/\"7\"", "\"07\"",
                                         "\"x\"",   "\"7\",",
                                         "",        "7",
                                         "\"\"",    "\"18446744073709551616\""};
    uint64_t version = 42;
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        assert_false(etag_is_one(str_from(others[i]), &version));
        assert_int_equal(version, 42);
    }
    assert_true(etag_is_one(STR(" \"7\" "), &version));
    assert_int_equal(version, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tag_is_the_version_in_quotes),
        cmocka_unit_test(test_lists_of_tags),
        cmocka_unit_test(test_one_strong_tag),
    };
    return cmocka_run_group_tests_name("etag", tests, NULL, NULL);
}
