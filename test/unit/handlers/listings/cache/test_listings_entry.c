/* SPDX-License-Identifier: MIT
 *
 * test_listings_entry.c - what Redis may hold and tell, and what is none of ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/listings/cache/listings_entry.h"

#define ID "01a205b3-cc93-7fff-bfff-0123456789ab"

static void test_a_key(void **state)
{
    (void)state;
    char out[LISTINGS_KEY_BYTES];
    assert_true(str_equal(listings_entry_key(STR(ID), out), STR("toq:listing:" ID)));
}

static void test_three_kinds_of_entry(void **state)
{
    (void)state;
    struct listings_entry entry;
    assert_true(listings_entry_parse(STR("12 1795391999000 {\"a\":\"b c\"}\n"), &entry));
    assert_int_equal(entry.version, 12);
    assert_true(entry.until_ms == UINT64_C(1795391999000));
    assert_true(str_equal(entry.json, STR("{\"a\":\"b c\"}\n")));
    assert_false(entry.is_deleted);
    assert_true(listings_entry_parse(STR("9007199254740991 1 -"), &entry));
    assert_int_equal(entry.version, LISTINGS_VERSION_MAX);
    assert_null(entry.json.ptr);
    assert_true(entry.is_deleted);
    assert_true(listings_entry_parse(STR("3 1 ?"), &entry));
    assert_null(entry.json.ptr);
    assert_false(entry.is_deleted);
}

static void test_what_is_no_entry(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "1",
                                        "1 ",
                                        " {}",
                                        "x",
                                        "x {}",
                                        "-1 {}",
                                        "1  {}",
                                        "1 {}",
                                        "1 2",
                                        "1 2 ",
                                        "1 x {}",
                                        "1 -2 {}",
                                        "1 9223372036854775808 {}",
                                        "1 2 x",
                                        "1 2 -x",
                                        "1 2 ??",
                                        "9007199254740992 2 {}"};
    struct listings_entry entry = {.version = 42};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        assert_false(listings_entry_parse(str_from(texts[i]), &entry));
        assert_int_equal(entry.version, 42);
    }
}

static void test_news(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        ID,
                                        ID " 1",
                                        ID " 1 2 3",
                                        ID " 1 2 ",
                                        ID " x 2",
                                        ID " 1 x",
                                        ID "x 1 2",
                                        "x 1 2",
                                        ID "  1 2",
                                        ID " 1 -2",
                                        ID " 9007199254740992 2",
                                        ID " 1 9223372036854775808"};
    struct listings_news news = {.version = 42};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        assert_false(listings_news_parse(str_from(texts[i]), &news));
        assert_int_equal(news.version, 42);
    }
    assert_true(listings_news_parse(STR(ID " 7 1795391999"), &news));
    assert_true(str_equal(news.id, STR(ID)));
    assert_int_equal(news.version, 7);
    assert_int_equal(news.generation, 1795391999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key),
        cmocka_unit_test(test_three_kinds_of_entry),
        cmocka_unit_test(test_what_is_no_entry),
        cmocka_unit_test(test_news),
    };
    return cmocka_run_group_tests_name("listings_entry", tests, NULL, NULL);
}
