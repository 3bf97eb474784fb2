/* SPDX-License-Identifier: MIT
 *
 * test_listings_sql.c - what a list finds in a real server, and its pages.
 */
#include "test/unit/handlers/listings/store/listings_rig.h"

/* count_of asks for one parameter; how many listings there are. */
static size_t count_of(const char *name, const char *value)
{
    struct listings_query query;
    struct run run;
    listings_query_init(&query);
    assert_null(listings_query_set(&arena, &query, str_from(name), str_from(value)));
    query.wants_total = true;
    assert_int_equal(list(&run, &query), 0);
    assert_true(run.op.page.has_total);
    assert_int_equal(run.op.page.total, run.op.page.count);
    assert_false(run.op.page.has_more);
    return run.op.page.count;
}

static void test_filters(void **state)
{
    (void)state;
    (void)created("{\"title\":\"Casa com piscina\",\"city\":\"S\xC3\xA3o Paulo\",\"bedrooms\":3}");
    (void)created("{\"title\":\"100% novo_|\",\"price_cents\":500,\"purpose\":\"sale\"}");
    (void)created("{\"kind\":\"land\",\"state\":\"MG\",\"area_m2\":1000}");
    (void)created("{\"status\":\"draft\",\"title\":\"Rascunho\"}");
    assert_int_equal(count_of("status", "published"), 3);
    assert_int_equal(count_of("status", "draft"), 1);
    assert_int_equal(count_of("status", "archived"), 0);
    assert_int_equal(count_of("city", "S\xC3\xA3o Paulo"), 1);
    assert_int_equal(count_of("city", "sao paulo"), 1); /* as people type it */
    assert_int_equal(count_of("city", "Campinas"), 2);
    assert_int_equal(count_of("city", "' OR 1=1 -- "), 0);
    assert_int_equal(count_of("state", "MG"), 1);
    assert_int_equal(count_of("kind", "land"), 1);
    assert_int_equal(count_of("purpose", "sale"), 1);
    assert_int_equal(count_of("min_price_cents", "500"), 1);
    assert_int_equal(count_of("min_price_cents", "501"), 0);
    assert_int_equal(count_of("max_price_cents", "499"), 2);
    assert_int_equal(count_of("min_area_m2", "1000"), 1);
    assert_int_equal(count_of("max_area_m2", "999"), 2);
    assert_int_equal(count_of("min_bedrooms", "3"), 1);
}

static void test_words_of_a_title(void **state)
{
    (void)state;
    (void)created("{\"title\":\"Casa com Piscina em S\xC3\xA3o Paulo\"}");
    (void)created("{\"title\":\"100% novo_|\"}");
    (void)created("{\"title\":\"Terreno \xF0\x9F\x8F\xA0\"}");
    assert_int_equal(count_of("title", "piscina casa"), 1);
    assert_int_equal(count_of("title", "  PISC   sao "), 1);
    assert_int_equal(count_of("title", "piscina terreno"), 0);
    assert_int_equal(count_of("title", "a b c d e f g h"), 0);
    assert_int_equal(count_of("title", " "), 3);
    /* wildcards are bytes like others */
    assert_int_equal(count_of("title", "%"), 1);
    assert_int_equal(count_of("title", "_"), 1);
    assert_int_equal(count_of("title", "|"), 1);
    assert_int_equal(count_of("title", "100% _|"), 1);
    assert_int_equal(count_of("title", "0%o"), 0);
    assert_int_equal(count_of("title", "\\"), 0);
    assert_int_equal(count_of("title", "'"), 0);
    assert_int_equal(count_of("title", "\xF0\x9F\x8F\xA0"), 1);
    assert_int_equal(count_of("title", "\xF0\x9F\x8F\xA1"), 0); /* another emoji */
}

static void test_all_filters_at_once(void **state)
{
    (void)state;
    static const char *const all[][2] = {
        {"city", "Campinas"},     {"state", "SP"},          {"kind", "house"},
        {"purpose", "rent"},      {"status", "published"},  {"title", "c a s a c a s a"},
        {"min_price_cents", "0"}, {"max_price_cents", "9"}, {"min_area_m2", "0"},
        {"max_area_m2", "9"},     {"min_bedrooms", "0"},    {"sort", "-created_at"},
    };
    struct listings_query query;
    struct run run;
    const struct str id = created("{}");
    listings_query_init(&query);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        assert_null(listings_query_set(&arena, &query, str_from(all[i][0]), str_from(all[i][1])));
    }
    assert_int_equal(list(&run, &query), 0);
    assert_int_equal(run.op.page.count, 1);
    assert_true(str_equal(run.op.page.list[0].id, id));
    query.has_cursor = true; /* and the most parameters there can be */
    query.cursor_key = INT64_C(253402300799999999);
    query.cursor_id = STR(NO_ID);
    assert_int_equal(list(&run, &query), 0);
    assert_int_equal(run.op.page.count, 1);
}

static int64_t key_of(const struct listing *listing, const struct listings_sort_info *sort)
{
    return sort->is_time ? (int64_t)listing->created_us : listing->fields[sort->field].number;
}

/* is_ordered tells whether b follows a in an order, whose ties the id breaks. */
static bool is_ordered(const struct listing *a, const struct listing *b,
                       const struct listings_sort_info *sort)
{
    const int64_t keys = key_of(b, sort) - key_of(a, sort);
    const int id = strcmp(b->id.ptr, a->id.ptr);
    return sort->is_descending ? keys < 0 || (keys == 0 && id < 0)
                               : keys > 0 || (keys == 0 && id > 0);
}

/* walk reads all pages of an order by their cursors; how many listings came. */
static size_t walk(enum listings_sort by, size_t limit)
{
    const struct listings_sort_info *sort = listings_sort_info(by);
    struct listing last = {0};
    struct str cursor = {NULL, 0};
    size_t count = 0;
    for (bool has_more = true; has_more;) {
        struct listings_query query;
        struct run run;
        listings_query_init(&query);
        query.limit = limit;
        query.sort = by;
        if (cursor.ptr != NULL) {
            assert_null(listings_query_set(&arena, &query, STR("cursor"), cursor));
            assert_null(listings_query_finish(&query));
        }
        assert_int_equal(list(&run, &query), 0);
        for (size_t i = 0; i < run.op.page.count; i++, count++) {
            const struct listing *listing = &run.op.page.list[i];
            assert_true(count == 0 || is_ordered(&last, listing, sort));
            last = *listing;
        }
        has_more = run.op.page.has_more;
        assert_true(!has_more || run.op.page.count == limit);
        assert_false(run.op.page.has_total);
        if (has_more) {
            assert_true(listings_query_cursor(&arena, &query, &last, &cursor));
        }
    }
    return count;
}

static void test_pages_hold_each_listing_once(void **state)
{
    (void)state;
    for (int i = 0; i < 23; i++) {
        char json[64]; /* many ties */
        (void)snprintf(json, sizeof(json), "{\"price_cents\":%d,\"area_m2\":%d}", i % 3, i % 5);
        (void)created(json);
    }
    mariadb_execute(&db, "UPDATE toq.listings SET created_at = '2026-01-01 00:00:00.123456' "
                         "ORDER BY id LIMIT 9");
    for (int s = 0; s < LISTINGS_SORT_COUNT; s++) {
        assert_int_equal(walk((enum listings_sort)s, 1), 23);
        assert_int_equal(walk((enum listings_sort)s, 4), 23);
        assert_int_equal(walk((enum listings_sort)s, 23), 23);
        assert_int_equal(walk((enum listings_sort)s, 100), 23);
    }
}

static void test_an_empty_page(void **state)
{
    (void)state;
    struct listings_query query;
    struct run run;
    listings_query_init(&query);
    query.wants_total = true;
    assert_int_equal(list(&run, &query), 0);
    assert_int_equal(run.op.page.count, 0);
    assert_false(run.op.page.has_more);
    assert_true(run.op.page.has_total);
    assert_int_equal(run.op.page.total, 0);
}

static void test_the_schema_is_made_once(void **state)
{
    (void)state;
    const struct str id = created("{}");
    struct run run;
    migrate_all();
    assert_int_equal(get(&run, id), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_words_of_a_title, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_filters_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_hold_each_listing_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_empty_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_schema_is_made_once, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("listings_sql", tests, set_up_server, tear_down_server);
}
