/* SPDX-License-Identifier: MIT
 *
 * test_listings_query.c - parameters taken and refused, and cursors that fit or do not.
 *
 * Tests: handlers/listings/model/listings_cursor.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/listings/model/listings_cursor.h"
#include "handlers/listings/model/listings_query.h"
#include "test/unit/support/arena_rig.h"

#define ID "01a205b3-cc93-7fff-bfff-0123456789ab"

static const char *set(struct listings_query *query, const char *name, const char *value)
{
    return listings_query_set(&arena, query, str_from(name), str_from(value));
}

static void assert_taken(struct listings_query *query, const char *name, const char *value)
{
    const char *wrong = set(query, name, value);
    if (wrong != NULL) {
        fail_msg("%s=%s: %s", name, value, wrong);
    }
}

static void assert_refused(const char *name, const char *value, const char *message)
{
    struct listings_query query;
    listings_query_init(&query);
    const char *wrong = set(&query, name, value);
    if (wrong == NULL) {
        fail_msg("%s=%s: taken", name, value);
    } else {
        assert_string_equal(wrong, message);
    }
}

static void test_nothing_is_asked_for(void **state)
{
    (void)state;
    struct listings_query query;
    listings_query_init(&query);
    assert_null(listings_query_finish(&query));
    assert_null(query.city.ptr);
    assert_null(query.status.ptr);
    assert_int_equal(query.min_price_cents, -1);
    assert_int_equal(query.sort, LISTINGS_NEWEST);
    assert_int_equal(query.limit, 20);
    assert_false(query.wants_total);
    assert_false(query.has_cursor);
}

static void test_everything_is_asked_for(void **state)
{
    (void)state;
    struct listings_query query;
    listings_query_init(&query);
    assert_taken(&query, "city", "S\xC3\xA3o Paulo");
    assert_taken(&query, "state", "SP");
    assert_taken(&query, "kind", "house");
    assert_taken(&query, "purpose", "sale");
    assert_taken(&query, "status", "draft");
    assert_taken(&query, "title", "casa  com piscina");
    assert_taken(&query, "min_price_cents", "0");
    assert_taken(&query, "max_price_cents", "10000000000000");
    assert_taken(&query, "min_area_m2", "10");
    assert_taken(&query, "max_area_m2", "20");
    assert_taken(&query, "min_bedrooms", "2");
    assert_taken(&query, "sort", "-price_cents");
    assert_taken(&query, "limit", "100");
    assert_taken(&query, "total", "true");
    assert_null(listings_query_finish(&query));
    assert_true(str_equal(query.city, STR("S\xC3\xA3o Paulo")));
    assert_true(str_equal(query.title, STR("casa  com piscina")));
    assert_int_equal(query.min_price_cents, 0);
    assert_int_equal(query.max_price_cents, INT64_C(10000000000000));
    assert_int_equal(query.min_area_m2, 10);
    assert_int_equal(query.max_area_m2, 20);
    assert_int_equal(query.min_bedrooms, 2);
    assert_int_equal(query.sort, LISTINGS_PRICE_DOWN);
    assert_int_equal(query.limit, 100);
    assert_true(query.wants_total);
}

static void test_refused_values(void **state)
{
    (void)state;
    assert_refused("city", "", "must not be empty");
    assert_refused("city", "\xFF", "must be UTF-8");
    assert_refused("city", "a\nb", "must not hold control characters");
    assert_refused("state", "S\xC3\xA3o Paulo", "must be a state such as SP");
    assert_refused("status", "' OR 1=1 -- ", "must be draft, published or archived");
    assert_refused("title", "a b c d e f g h i", "has too many words");
    assert_refused("min_price_cents", "-1", "must be a whole number that is not negative");
    assert_refused("min_price_cents", "1.5", "must be a whole number that is not negative");
    assert_refused("min_price_cents", "", "must be a whole number that is not negative");
    assert_refused("max_price_cents", "9223372036854775808",
                   "must be a whole number that is not negative");
    assert_refused("max_price_cents", "10000000000001", "is too big");
    assert_refused("min_bedrooms", "101", "is too big");
    assert_refused("limit", "0", "must be from 1 to 100");
    assert_refused("limit", "101", "must be from 1 to 100");
    assert_refused("limit", "ten", "must be from 1 to 100");
    assert_refused("total", "1", "must be true or false");
    assert_refused("sort", "title",
                   "must be created_at, price_cents or area_m2, with a - before it for descending");
}

static void test_names_must_be_known_and_given_once(void **state)
{
    (void)state;
    struct listings_query query;
    listings_query_init(&query);
    assert_non_null(set(&query, "offset", "1"));
    assert_non_null(set(&query, "", ""));
    assert_non_null(set(&query, "City", "Campinas"));
    assert_taken(&query, "city", "Campinas");
    assert_string_equal(set(&query, "city", "Campinas"), "is given more than once");
}

/* cursor_of makes the cursor of a query whose city and order are these. */
static const char *cursor_of(const char *city, const char *sort)
{
    struct listings_query query;
    struct listing last = {.id = STR(ID), .created_us = UINT64_C(1795391999123456)};
    struct str cursor;
    last.fields[LISTING_PRICE_CENTS].number = 123456789;
    last.fields[LISTING_AREA_M2].number = 55;
    listings_query_init(&query);
    assert_taken(&query, "city", city);
    assert_taken(&query, "sort", sort);
    assert_true(listings_query_cursor(&arena, &query, &last, &cursor));
    assert_int_equal(cursor.len, LISTINGS_CURSOR_LEN);
    return cursor.ptr; /* arena_copy adds a NUL */
}

/* use asks with a cursor, which comes first as it well may. */
static const char *use(struct listings_query *query, const char *cursor, const char *city,
                       const char *sort)
{
    listings_query_init(query);
    const char *wrong = set(query, "cursor", cursor);
    if (wrong != NULL) {
        return wrong;
    }
    assert_taken(query, "city", city);
    assert_taken(query, "sort", sort);
    return listings_query_finish(query);
}

static void test_cursors_lead_on_in_every_order(void **state)
{
    (void)state;
    static const struct {
        const char *sort;
        int64_t key;
    } rows[] = {
        {"-created_at", INT64_C(1795391999123456)},
        {"created_at", INT64_C(1795391999123456)},
        {"price_cents", 123456789},
        {"-price_cents", 123456789},
        {"area_m2", 55},
        {"-area_m2", 55},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct listings_query query;
        assert_null(use(&query, cursor_of("Campinas", rows[i].sort), "Campinas", rows[i].sort));
        assert_true(query.has_cursor);
        assert_int_equal(query.cursor_key, rows[i].key);
        assert_true(str_equal(query.cursor_id, STR(ID)));
    }
}

static void test_cursors_of_another_list(void **state)
{
    (void)state;
    struct listings_query query;
    const char *cursor = cursor_of("Campinas", "price_cents");
    assert_null(use(&query, cursor, "Campinas", "price_cents"));
    assert_non_null(use(&query, cursor, "Santos", "price_cents"));
    assert_non_null(use(&query, cursor, "Campinas", "-price_cents"));
    assert_non_null(use(&query, cursor, "Campinas", "created_at"));
    assert_null(use(&query, cursor, "Campinas", "price_cents"));
    assert_taken(&query, "min_area_m2", "0"); /* another filter, even if all pass it */
    assert_non_null(listings_query_finish(&query));
}

static void test_a_cursor_fits_a_page_of_another_size(void **state)
{
    (void)state;
    struct listings_query query;
    assert_null(use(&query, cursor_of("Campinas", "price_cents"), "Campinas", "price_cents"));
    assert_taken(&query, "limit", "3");
    assert_taken(&query, "total", "true");
    assert_taken(&query, "status", "published"); /* the default, spelled out */
    assert_null(listings_query_finish(&query));
}

static void test_every_broken_byte_of_a_cursor_is_noticed(void **state)
{
    (void)state;
    static const char bytes[] = "AQgw-_9=+/ .%\n\xFF";
    struct listings_query query;
    char cursor[LISTINGS_CURSOR_LEN + 1];
    const char *whole = cursor_of("Campinas", "price_cents");
    for (size_t i = 0; i < LISTINGS_CURSOR_LEN; i++) {
        for (size_t b = 0; b < sizeof(bytes); b++) { /* its NUL, too */
            memcpy(cursor, whole, sizeof(cursor));
            cursor[i] = bytes[b];
            if (bytes[b] != whole[i]) {
                assert_non_null(use(&query, cursor, "Campinas", "price_cents"));
            }
        }
    }
}

static void test_cursors_that_never_were_any(void **state)
{
    (void)state;
    struct listings_query query;
    char longer[LISTINGS_CURSOR_LEN + 2] = {0};
    memcpy(longer, cursor_of("Campinas", "price_cents"), LISTINGS_CURSOR_LEN);
    longer[LISTINGS_CURSOR_LEN] = 'A';
    assert_non_null(use(&query, longer, "Campinas", "price_cents"));
    longer[LISTINGS_CURSOR_LEN - 1] = '\0';
    assert_non_null(use(&query, longer, "Campinas", "price_cents"));
    assert_non_null(use(&query, "", "Campinas", "price_cents"));
    assert_non_null(use(&query, "0", "Campinas", "price_cents"));
    assert_non_null(use(&query, "' OR 1=1 -- ", "Campinas", "price_cents"));
}

/* A forged cursor, whole but for its check, with a key or an order that there is not. */
static void test_cursors_out_of_bounds(void **state)
{
    (void)state;
    static const struct listings_cursor cursors[] = {
        {.sort = LISTINGS_SORT_COUNT, .key = 1},
        {.sort = 255, .key = 1},
        {.sort = LISTINGS_NEWEST, .key = UINT64_C(253402300800000000)},
        {.sort = LISTINGS_PRICE_UP, .key = UINT64_C(10000000000001)},
        {.sort = LISTINGS_AREA_UP, .key = UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cursors); i++) {
        struct listings_query query;
        char text[LISTINGS_CURSOR_LEN + 1] = {0};
        listings_query_init(&query);
        listings_cursor_encode(&cursors[i], text);
        assert_non_null(set(&query, "cursor", text));
        assert_false(query.has_cursor);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    const struct listing last = {.id = STR(ID)};
    struct listings_query query;
    struct arena none;
    struct str cursor;
    const char *whole = cursor_of("Campinas", "price_cents");
    arena_init(&none, 0);
    listings_query_init(&query);
    assert_non_null(listings_query_set(&none, &query, STR("cursor"), str_from(whole)));
    assert_false(listings_query_cursor(&none, &query, &last, &cursor));
    arena_deinit(&none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_arena, tear_down_arena)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_asked_for),
        TEST(test_everything_is_asked_for),
        TEST(test_refused_values),
        TEST(test_names_must_be_known_and_given_once),
        TEST(test_cursors_lead_on_in_every_order),
        TEST(test_cursors_of_another_list),
        TEST(test_a_cursor_fits_a_page_of_another_size),
        TEST(test_every_broken_byte_of_a_cursor_is_noticed),
        TEST(test_cursors_that_never_were_any),
        TEST(test_cursors_out_of_bounds),
        TEST(test_no_memory),
    };
    return cmocka_run_group_tests_name("listings_query", tests, NULL, NULL);
}
