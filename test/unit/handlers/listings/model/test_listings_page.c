/* SPDX-License-Identifier: MIT
 *
 * test_listings_page.c - a page's JSON, and keys that differ where queries do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/listings/model/listings_page.h"
#include "test/unit/support/arena_rig.h"

static void assert_json(const struct listings_page *page, const char *start, const char *end)
{
    struct listings_query query;
    struct buf out;
    listings_query_init(&query);
    buf_init(&out, 1 << 16);
    listings_page_to_json(&arena, &query, page, &out);
    assert_false(out.is_failed);
    assert_true(out.len >= strlen(start) + strlen(end));
    assert_memory_equal(out.data, start, strlen(start));
    assert_memory_equal(out.data + out.len - strlen(end), end, strlen(end));
    buf_deinit(&out);
}

static void test_pages(void **state)
{
    (void)state;
    struct listing list[2] = {{.id = STR("01a205b3-cc93-7fff-bfff-0123456789ab")},
                              {.id = STR("01a205b3-cc93-7fff-bfff-0123456789ac")}};
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        list[0].fields[f].text = STR("x");
        list[1].fields[f].text = STR("y");
    }
    const struct listings_page none = {.list = list, .has_total = true};
    const struct listings_page all = {.list = list, .count = 2, .has_total = true, .total = 2};
    const struct listings_page first = {.list = list, .count = 1, .has_more = true};
    assert_json(&none, "{\"items\":[],\"next_cursor\":null,\"total\":0}\n", "");
    assert_json(&all, "{\"items\":[{\"id\":\"01a205b3-", "}],\"next_cursor\":null,\"total\":2}\n");
    assert_json(&first, "{\"items\":[{\"id\":\"01a205b3-", "\"}\n");
}

/* keys_of makes the key of each query string. */
static size_t keys_of(const char *const *parameters, size_t count, struct buf *keys)
{
    for (size_t i = 0; i < count; i++) {
        struct listings_query query;
        struct str value = str_from(parameters[i]);
        struct str field;
        listings_query_init(&query);
        while (str_next_field(&value, '&', &field)) {
            struct str name;
            assert_true(str_next_field(&field, '=', &name));
            assert_null(listings_query_set(&arena, &query, name, field));
        }
        buf_init(&keys[i], 4096);
        listings_page_key(&query, &keys[i]);
        assert_false(keys[i].is_failed);
    }
    return count;
}

static void test_a_key_for_each_question(void **state)
{
    (void)state;
    static const char *const parameters[] = {"limit=20&total=false", /* the defaults */
                                             "city=Campinas",
                                             "city=campinas",
                                             "title=Campinas",
                                             "state=SP",
                                             "kind=house",
                                             "purpose=sale",
                                             "purpose=rent",
                                             "status=draft",
                                             "status=archived",
                                             "min_price_cents=1",
                                             "max_price_cents=1",
                                             "min_area_m2=1",
                                             "max_area_m2=1",
                                             "min_bedrooms=1",
                                             "min_bedrooms=11",
                                             "sort=created_at",
                                             "sort=-price_cents",
                                             "limit=1",
                                             "limit=11",
                                             "total=true",
                                             "city=a&title=b",
                                             "city=a5.1:b",
                                             "city=a&title=5.1:b",
                                             "title=a city=b",
                                             "city=b&title=a",
                                             "city=0&min_bedrooms=0"};
    struct buf keys[ARRAY_COUNT(parameters)];
    const size_t count = keys_of(parameters, ARRAY_COUNT(parameters), keys);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_false(str_equal(buf_str(&keys[i]), buf_str(&keys[j])));
        }
    }
    for (size_t i = 0; i < count; i++) {
        buf_deinit(&keys[i]);
    }
}

static void test_the_same_question_has_one_key(void **state)
{
    (void)state;
    static const char *const parameters[] = {"city=Campinas&limit=20&kind=house",
                                             "kind=house&total=false&city=Campinas"};
    struct buf keys[2];
    (void)keys_of(parameters, 2, keys);
    assert_true(str_equal(buf_str(&keys[0]), buf_str(&keys[1])));
    buf_deinit(&keys[0]);
    buf_deinit(&keys[1]);
}

static void test_a_copy_holds_its_own_texts(void **state)
{
    (void)state;
    char city[] = "Campinas";
    struct listings_query query;
    struct listings_query copy;
    listings_query_init(&query);
    query.city = str_from(city);
    assert_true(listings_page_copy(&arena, &query, &copy));
    city[0] = 'x';
    assert_true(str_equal(copy.city, STR("Campinas")));
    assert_null(copy.title.ptr);
    struct arena full;
    arena_init(&full, 1);
    assert_false(listings_page_copy(&full, &query, &copy));
    arena_deinit(&full);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_arena, tear_down_arena)
    const struct CMUnitTest tests[] = {
        TEST(test_pages),
        TEST(test_a_key_for_each_question),
        TEST(test_the_same_question_has_one_key),
        TEST(test_a_copy_holds_its_own_texts),
    };
    return cmocka_run_group_tests_name("listings_page", tests, NULL, NULL);
}
