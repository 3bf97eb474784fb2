/* SPDX-License-Identifier: MIT
 *
 * test_listings_store.c - listings into a real server and out of it again: fields, versions, pages.
 */
#include "test/unit/data/mariadb.h"

#include "core/data/sql_migrate.h"
#include "handlers/listings_store.h"

#define NO_ID "01a205b3-cc93-7fff-bfff-0123456789ab"

static struct mariadb db;
static struct rig rig;
static struct arena arena;

/* An operation and how it has ended. */
struct run {
    struct listings_op op;
    int status;
    unsigned done_count;
};

static void on_done(struct listings_op *op, int status)
{
    struct run *run = op->arg;
    run->status = status;
    run->done_count++;
    loop_stop(rig.loop);
}

static void on_migrated(struct sql_migrate *migrate)
{
    *(bool *)migrate->arg = true;
    loop_stop(rig.loop);
}

static void migrate_all(void)
{
    bool is_done = false;
    struct sql_migrate migrate = {.on_done = on_migrated, .arg = &is_done};
    migrate.steps = listings_migrations(&migrate.step_count);
    assert_int_equal(sql_migrate_start(rig.sql, &migrate), 0);
    while (!is_done) {
        rig_turn(&rig);
    }
    if (migrate.status != 0) {
        fail_msg("%d %s", migrate.status, migrate.error);
    }
}

static int set_up_server(void **state)
{
    (void)state;
    mariadb_create(&db, NULL);
    const struct sql_options options = mariadb_options(&db);
    rig_open(&rig, &options);
    migrate_all();
    rig_close(&rig);
    return 0;
}

static int tear_down_server(void **state)
{
    (void)state;
    mariadb_destroy(&db);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    mariadb_execute(&db, "DELETE FROM toq.listings");
    arena_init(&arena, 16 << 20);
    rig_open(&rig, &options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&rig);
    arena_deinit(&arena);
    return 0;
}

static void init(struct run *run)
{
    *run = (struct run){.op = {.arena = &arena, .on_done = on_done, .arg = run}};
}

static int finish(struct run *run)
{
    assert_int_equal(run->done_count, 0);
    while (run->done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(run->done_count, 1);
    run->done_count = 0;
    return run->status;
}

static int get(struct run *run, struct str id)
{
    init(run);
    assert_int_equal(listings_store_get(rig.sql, &run->op, id), 0);
    return finish(run);
}

static int list(struct run *run, const struct listings_query *query)
{
    init(run);
    assert_int_equal(listings_store_list(rig.sql, &run->op, query), 0);
    return finish(run);
}

static int create(struct run *run, const struct listing *listing)
{
    init(run);
    run->op.listing = *listing;
    assert_int_equal(listings_store_create(rig.sql, &run->op), 0);
    return finish(run);
}

static int update(struct run *run, const struct listing *listing, uint64_t expected_version)
{
    init(run);
    run->op.listing = *listing;
    assert_int_equal(listings_store_update(rig.sql, &run->op, expected_version), 0);
    return finish(run);
}

static int remove_listing(struct run *run, struct str id, uint64_t expected_version)
{
    init(run);
    run->op.listing.id = id;
    assert_int_equal(listings_store_remove(rig.sql, &run->op, expected_version), 0);
    return finish(run);
}

/* sample makes a listing of its fields' fallbacks and what JSON says. */
static struct listing sample(const char *json)
{
    struct listing listing = {0};
    struct listing_errors errors;
    const char whole[] =
        "{\"title\":\"Casa\",\"kind\":\"house\",\"purpose\":\"rent\",\"city\":"
        "\"Campinas\",\"state\":\"SP\",\"price_cents\":1,\"status\":\"published\"}";
    assert_true(listing_from_json(&arena, str_from(whole), LISTING_WHOLE, &listing, &errors));
    assert_true(listing_from_json(&arena, str_from(json), LISTING_PATCH, &listing, &errors));
    return listing;
}

/* created stores a sample; the id. */
static struct str created(const char *json)
{
    struct run run;
    const struct listing listing = sample(json);
    assert_int_equal(create(&run, &listing), 0);
    return run.op.listing.id;
}

static void assert_same(const struct listing *a, const struct listing *b)
{
    assert_true(str_equal(a->id, b->id));
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        const char *name = listing_field_info((enum listing_field)f)->name;
        if (!str_equal(a->fields[f].text, b->fields[f].text) ||
            a->fields[f].number != b->fields[f].number) {
            fail_msg("%s differs", name);
        }
    }
    assert_int_equal(a->version, b->version);
    assert_int_equal(a->created_us, b->created_us);
    assert_int_equal(a->updated_us, b->updated_us);
}

/* --- one listing --------------------------------------------------------------------------------- */

static void test_every_field_comes_back(void **state)
{
    (void)state;
    struct run made;
    struct run got;
    const struct listing listing = sample(
        "{\"title\":\"\xF0\x9F\x8F\xA0 S\xC3\xA3o '; DROP TABLE listings; -- \\\\\","
        "\"description\":\"a\\n\\\"b\\\" %_|?\",\"kind\":\"commercial\",\"purpose\":\"sale\","
        "\"price_cents\":10000000000000,\"street\":\"Rua 1\",\"neighborhood\":\"Cambu\xC3\xAD\","
        "\"postal_code\":\"13083-970\",\"bedrooms\":100,\"bathrooms\":99,\"area_m2\":100000000,"
        "\"status\":\"archived\"}");
    assert_int_equal(create(&made, &listing), 0);
    assert_true(listings_id_is_valid(made.op.listing.id));
    assert_int_equal(made.op.listing.version, 1);
    assert_true(made.op.listing.created_us > 0);
    assert_int_equal(get(&got, made.op.listing.id), 0);
    assert_same(&got.op.listing, &made.op.listing);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings"), 1);
}

static void test_the_longest_texts_fit(void **state)
{
    (void)state;
    struct run made;
    struct run got;
    struct listing listing = sample("{}");
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        const struct listing_field_info *info = listing_field_info((enum listing_field)f);
        if (info->type != LISTING_TEXT || f == LISTING_POSTAL_CODE) {
            continue;
        }
        char *text = arena_alloc(&arena, (size_t)info->max * 4);
        assert_non_null(text);
        for (int64_t i = 0; i < info->max; i++) {
            memcpy(text + 4 * i, "\xF0\x9F\x8F\xA0", 4);
        }
        listing.fields[f].text = (struct str){text, (size_t)info->max * 4};
        assert_null(listing_check((enum listing_field)f, &listing.fields[f]));
    }
    assert_int_equal(create(&made, &listing), 0);
    assert_int_equal(get(&got, made.op.listing.id), 0);
    assert_same(&got.op.listing, &made.op.listing);
}

static void test_a_listing_that_is_not_there(void **state)
{
    (void)state;
    struct run run;
    const struct listing listing = {.id = STR(NO_ID)};
    assert_int_equal(get(&run, STR(NO_ID)), UV_ENOENT);
    assert_int_equal(remove_listing(&run, STR(NO_ID), 0), UV_ENOENT);
    assert_int_equal(remove_listing(&run, STR(NO_ID), 1), UV_ENOENT);
    assert_int_equal(update(&run, &listing, 1), UV_ENOENT);
}

static void test_an_id_is_taken_once(void **state)
{
    (void)state;
    struct run run;
    struct listing listing = sample("{}");
    listing.id = STR(NO_ID);
    assert_int_equal(create(&run, &listing), 0);
    assert_true(str_equal(run.op.listing.id, STR(NO_ID)));
    assert_int_equal(create(&run, &listing), UV_EEXIST);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings"), 1);
}

static void test_an_update_counts_the_version(void **state)
{
    (void)state;
    struct run run;
    struct run got;
    const struct str id = created("{}");
    assert_int_equal(get(&got, id), 0);
    struct listing listing = sample("{\"title\":\"Novo\",\"price_cents\":2}");
    listing.id = id; /* and no created_us, as a PUT has it */
    assert_int_equal(update(&run, &listing, 1), 0);
    assert_int_equal(run.op.listing.version, 2);
    assert_int_equal(run.op.listing.created_us, got.op.listing.created_us);
    assert_true(run.op.listing.updated_us >= run.op.listing.created_us);
    assert_int_equal(get(&got, id), 0);
    assert_same(&got.op.listing, &run.op.listing);
    listing = got.op.listing; /* as a PATCH has it */
    assert_int_equal(update(&run, &listing, 2), 0);
    assert_int_equal(get(&got, id), 0);
    assert_int_equal(got.op.listing.version, 3); /* also when nothing else has changed */
    assert_same(&got.op.listing, &run.op.listing);
}

static void test_an_update_of_another_version(void **state)
{
    (void)state;
    struct run run;
    struct run got;
    const struct str id = created("{}");
    struct listing listing = sample("{\"title\":\"Novo\"}");
    listing.id = id;
    assert_int_equal(update(&run, &listing, 2), UV_EAGAIN);
    assert_int_equal(run.op.listing.version, 1);
    listing.created_us = 1; /* known, so it is not read first */
    assert_int_equal(update(&run, &listing, 2), UV_EAGAIN);
    assert_int_equal(run.op.listing.version, 1);
    assert_int_equal(update(&run, &listing, 0), UV_EAGAIN);
    listing.id = STR(NO_ID);
    assert_int_equal(update(&run, &listing, 1), UV_ENOENT);
    assert_int_equal(get(&got, id), 0);
    assert_true(str_equal(got.op.listing.fields[LISTING_TITLE].text, STR("Casa")));
    assert_int_equal(got.op.listing.version, 1);
}

static void test_remove(void **state)
{
    (void)state;
    struct run run;
    const struct str a = created("{}");
    const struct str b = created("{}");
    assert_int_equal(remove_listing(&run, a, 7), UV_EAGAIN);
    assert_int_equal(run.op.listing.version, 1);
    assert_int_equal(remove_listing(&run, a, 1), 0);
    assert_int_equal(get(&run, a), UV_ENOENT);
    assert_int_equal(remove_listing(&run, b, 0), 0);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings"), 0);
}

static void test_many_writers_lose_no_update(void **state)
{
    (void)state;
    struct run runs[50];
    struct run got;
    struct listing listing = sample("{}");
    size_t conflicts = 0;
    size_t wins = 0;
    listing.id = created("{}");
    listing.created_us = 1;
    for (uint64_t round = 1; round <= 3; round++) {
        for (size_t i = 0; i < ARRAY_COUNT(runs); i++) {
            init(&runs[i]);
            runs[i].op.listing = listing;
            assert_int_equal(listings_store_update(rig.sql, &runs[i].op, round), 0);
        }
        for (size_t i = 0; i < ARRAY_COUNT(runs); i++) {
            while (runs[i].done_count == 0) {
                rig_turn(&rig);
            }
            wins += runs[i].status == 0;
            conflicts += runs[i].status == UV_EAGAIN;
            assert_int_equal(runs[i].op.listing.version, round + 1);
        }
    }
    assert_int_equal(wins, 3);
    assert_int_equal(conflicts, 3 * (ARRAY_COUNT(runs) - 1));
    assert_int_equal(get(&got, listing.id), 0);
    assert_int_equal(got.op.listing.version, 4);
}

static void test_a_lock_is_no_conflict_of_versions(void **state)
{
    (void)state;
    struct run run;
    struct listing listing = sample("{}");
    listing.id = created("{}");
    listing.created_us = 1;
    mariadb_execute(&db, "SET GLOBAL innodb_lock_wait_timeout = 1");
    struct sql_options options = mariadb_options(&db);
    rig_close(&rig); /* the pool's sessions have the old value */
    rig_open(&rig, &options);
    mariadb_execute(&db, "START TRANSACTION");
    mariadb_execute(&db, "UPDATE toq.listings SET bedrooms = 7");
    assert_int_equal(update(&run, &listing, 1), UV_EBUSY);
    assert_int_equal(run.op.query.result.error.code, 1205);
    mariadb_execute(&db, "ROLLBACK");
    assert_int_equal(update(&run, &listing, 1), 0);
}

static void test_a_server_that_is_down(void **state)
{
    (void)state;
    struct run run;
    const struct str id = created("{}");
    mariadb_stop(&db, SIGTERM); /* a crash would take the listing with it */
    init(&run);
    run.op.listing = sample("{}");
    const int rc = listings_store_create(rig.sql, &run.op);
    if (rc == 0) {
        assert_true(finish(&run) < 0); /* a write is not tried again */
        assert_int_not_equal(run.status, UV_EAGAIN);
    }
    mariadb_start(&db, NULL);
    do { /* until the pool has found the way back */
        init(&run);
        const int again = listings_store_get(rig.sql, &run.op, id);
        run.status = again < 0 ? again : finish(&run);
        rig_turn(&rig);
    } while (run.status == UV_ENOTCONN || run.status == UV_ECONNRESET);
    assert_int_equal(run.status, 0);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings"), 1);
}

static void test_cancel(void **state)
{
    (void)state;
    struct run run;
    struct run got;
    init(&run);
    listings_store_cancel(&run.op); /* never started */
    assert_int_equal(listings_store_get(rig.sql, &run.op, STR(NO_ID)), 0);
    listings_store_cancel(&run.op);
    listings_store_cancel(&run.op);
    assert_int_equal(get(&got, STR(NO_ID)), UV_ENOENT);
    assert_int_equal(run.done_count, 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct run run;
    struct listings_query query;
    struct arena none;
    arena_init(&none, 0);
    listings_query_init(&query);
    init(&run);
    run.op.arena = &none;
    assert_int_equal(listings_store_list(rig.sql, &run.op, &query), UV_ENOMEM);
    assert_int_equal(listings_store_create(rig.sql, &run.op), UV_ENOMEM);
    arena_deinit(&none);
}

/* --- lists --------------------------------------------------------------------------------------- */

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
        cmocka_unit_test_setup_teardown(test_every_field_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_longest_texts_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_listing_that_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_id_is_taken_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_update_counts_the_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_update_of_another_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_writers_lose_no_update, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lock_is_no_conflict_of_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_server_that_is_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_words_of_a_title, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_all_filters_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_hold_each_listing_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_empty_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_schema_is_made_once, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("listings_store", tests, set_up_server, tear_down_server);
}
