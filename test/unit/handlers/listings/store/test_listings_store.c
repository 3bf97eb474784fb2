/* SPDX-License-Identifier: MIT
 *
 * test_listings_store.c - a listing into a real server and out of it again: its fields, its
 * version.
 */
#include "test/unit/handlers/listings/store/listings_rig.h"

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
    run.op.listing.id = STR(NO_ID);
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
    arena_deinit(&none);
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
    };
    return cmocka_run_group_tests_name("listings_store", tests, set_up_server, tear_down_server);
}
