/* SPDX-License-Identifier: MIT
 *
 * listings_rig.h - for tests: a server with the listings' schema, and operations run to their end.
 */
#ifndef TOQ_TEST_UNIT_HANDLERS_LISTINGS_STORE_LISTINGS_RIG_H
#define TOQ_TEST_UNIT_HANDLERS_LISTINGS_STORE_LISTINGS_RIG_H

#include "test/unit/sql/sql_rig.h"

#include "core/base/clock.h"
#include "core/sql/sql_migrate.h"
#include "handlers/kit/uuid.h"
#include "handlers/listings/store/listings_store.h"

#define NO_ID "01a205b3-cc93-7fff-bfff-0123456789ab"

static struct arena arena;
static struct uuid_source ids;

/* An operation and how it has ended. */
struct run {
    struct listings_op op;
    int status;
    unsigned done_count;
};

static inline void on_done(struct listings_op *op, int status)
{
    struct run *run = op->arg;
    run->status = status;
    run->done_count++;
    loop_stop(rig.loop);
}

static inline void on_migrated(struct sql_migrate *migrate)
{
    *(bool *)migrate->arg = true;
    loop_stop(rig.loop);
}

static inline void migrate_all(void)
{
    bool is_done = false;
    struct sql_migrate_part part = {.module = "listings", .schema = &listings_schema};
    struct sql_migrate migrate = {
        .parts = &part, .part_count = 1, .on_done = on_migrated, .arg = &is_done};
    assert_int_equal(sql_migrate_start(rig.sql, &migrate), 0);
    while (!is_done) {
        rig_turn(&rig);
    }
    if (migrate.status != 0) {
        fail_msg("%d %s", migrate.status, migrate.error);
    }
}

static inline int set_up_server(void **state)
{
    (void)set_up_plain_server(state);
    const struct sql_options options = mariadb_options(&db);
    rig_open(&rig, &options);
    migrate_all();
    rig_close(&rig);
    return 0;
}

static inline int set_up(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    mariadb_execute(&db, "DELETE FROM toq.listings");
    arena_init(&arena, 16 << 20);
    rig_open(&rig, &options);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)close_rig(state);
    arena_deinit(&arena);
    return 0;
}

static inline void init(struct run *run)
{
    *run = (struct run){.op = {.arena = &arena, .on_done = on_done, .arg = run}};
}

static inline int finish(struct run *run)
{
    assert_int_equal(run->done_count, 0);
    while (run->done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(run->done_count, 1);
    run->done_count = 0;
    return run->status;
}

static inline int get(struct run *run, struct str id)
{
    init(run);
    assert_int_equal(listings_store_get(rig.sql, &run->op, id), 0);
    return finish(run);
}

static inline int list(struct run *run, const struct listings_query *query)
{
    init(run);
    assert_int_equal(listings_store_list(rig.sql, &run->op, query), 0);
    return finish(run);
}

/* create makes an id for a listing that has none. */
static inline int create(struct run *run, const struct listing *listing)
{
    init(run);
    run->op.listing = *listing;
    if (listing->id.len == 0) {
        char id[UUID_TEXT_LEN];
        assert_int_equal(uuid_make(&ids, clock_wall_ns(), id), 0);
        assert_true(arena_copy(&arena, (struct str){id, sizeof(id)}, &run->op.listing.id));
    }
    assert_int_equal(listings_store_create(rig.sql, &run->op), 0);
    return finish(run);
}

static inline int update(struct run *run, const struct listing *listing, uint64_t expected_version)
{
    init(run);
    run->op.listing = *listing;
    assert_int_equal(listings_store_update(rig.sql, &run->op, expected_version), 0);
    return finish(run);
}

static inline int remove_listing(struct run *run, struct str id, uint64_t expected_version)
{
    init(run);
    run->op.listing.id = id;
    assert_int_equal(listings_store_remove(rig.sql, &run->op, expected_version), 0);
    return finish(run);
}

/* sample makes a listing of its fields' fallbacks and what JSON says. */
static inline struct listing sample(const char *json)
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
static inline struct str created(const char *json)
{
    struct run run;
    const struct listing listing = sample(json);
    assert_int_equal(create(&run, &listing), 0);
    return run.op.listing.id;
}

static inline void assert_same(const struct listing *a, const struct listing *b)
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

#endif
