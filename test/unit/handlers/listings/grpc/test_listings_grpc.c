/* SPDX-License-Identifier: MIT
 *
 * test_listings_grpc.c - each method with memory missing at each place: the call ends once, nothing
 * is stored by halves, and the next call goes well.
 *
 * All arenas, and the feed's own memory, fail on demand. Redis is away, as it may be.
 */
#include "test/unit/support/failing_alloc.h"

#include "core/base/arena.h"

void *real_arena_alloc(struct arena *a, size_t size);
bool real_arena_copy(struct arena *a, struct str s, struct str *ret_copy);
#define arena_alloc real_arena_alloc
#define arena_copy  real_arena_copy
#include "core/base/arena.c"
#undef arena_alloc
#undef arena_copy

/* In place of the library's own, for all that is linked. */
void *arena_alloc(struct arena *a, size_t size)
{
    return is_allocation_granted() ? real_arena_alloc(a, size) : NULL;
}

bool arena_copy(struct arena *a, struct str s, struct str *ret_copy)
{
    return is_allocation_granted() && real_arena_copy(a, s, ret_copy);
}

#define calloc failing_calloc
#include "handlers/listings/work/listings_feed.c"
#undef calloc

#include "core/base/clock.h"
#include "core/grpc/grpc_frame.h"
#include "core/http/server.h"
#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/grpc/listings_message.h"
#include "test/unit/handlers/listings/store/listings_rig.h"
#include "test/unit/support/fake_transport.h"

#define SERVICE  "/toq.v1.ListingService/"
#define NEVER_MS 600000
#define STORED   "01a205b3-cc93-7fff-bfff-00000000cafe"

static struct http_header headers[1];
static struct http_request req;
static struct http_metrics http_metrics;
static struct http_server server;
static struct metrics *metrics;
static struct redis *redis;
static struct redis_pubsub *pubsub;
static struct listings listings;
static struct grpc *grpc;
static unsigned closed_count;

/* --- a server without listeners --- */

static int set_up_calls(void **state)
{
    const struct redis_options nowhere = {.host = "127.0.0.1", .port = 1};
    const struct grpc_limits limits = {.receive_bytes = 1 << 20};
    (void)set_up(state);
    mariadb_execute(&db, "DELETE FROM toq.listing_changes");
    metrics = metrics_create();
    closed_count = 0;
    assert_int_equal(http_metrics_init(&http_metrics, metrics), 0);
    assert_int_equal(redis_open(rig.loop, &nowhere, &redis), 0);
    assert_int_equal(redis_pubsub_open(rig.loop, &nowhere, &pubsub), 0);
    const struct listings_options options = {
        .cache = {.loop = rig.loop,
                  .sql = rig.sql,
                  .redis = redis,
                  .pubsub = pubsub,
                  .ttl_ms = NEVER_MS,
                  .page_ttl_ms = NEVER_MS,
                  .timeout_ms = NEVER_MS},
        .tokens = {.is_open = true},
        .request_timeout_ms = NEVER_MS,
    };
    assert_int_equal(listings_init(&listings, metrics, &options), 0);
    server = (struct http_server){
        .loop = rig.loop,
        .router = router_create(http_respond_error, http_respond_unmatched),
        .limits = {.request_timeout_ms = NEVER_MS, .http2 = {.stream_window_bytes = 1 << 20}},
        .metrics = &http_metrics};
    assert_int_equal(grpc_create(&limits, metrics, &grpc), 0);
    assert_int_equal(listings_grpc_mount(grpc, &listings), 0);
    assert_int_equal(grpc_mount(grpc, server.router), 0);
    return 0;
}

static void on_redis_closed(void *arg)
{
    (void)arg;
    closed_count++;
    loop_stop(rig.loop);
}

static int tear_down_calls(void **state)
{
    allocations_left = SIZE_MAX;
    redis_close(redis, on_redis_closed, NULL);
    redis_pubsub_close(pubsub, on_redis_closed, NULL);
    while (closed_count != 2) {
        rig_turn(&rig);
    }
    wheel_unset(&listings.feed.trim_timer);
    listings_deinit(&listings);
    router_destroy(server.router);
    grpc_destroy(grpc);
    http_metrics_deinit(&http_metrics);
    metrics_destroy(metrics);
    return tear_down(state);
}

/* --- calls --- */

static void begin(const char *path)
{
    seen_nothing();
    headers[0] = (struct http_header){STR("content-type"), STR("application/grpc")};
    arena_init(&req.arena, 4 << 20);
    assert_int_equal(http_request_init(&req, &server, &transport, clock_now_ns()), 0);
    req.method = METHOD_POST;
    req.path = str_from(path);
    req.headers = headers;
    req.header_count = ARRAY_COUNT(headers);
    if (http_request_route(&req) == 0) {
        http_request_dispatch(&req);
    } else {
        http_respond_error(&req, 503, NULL);
    }
}

static void feed_bytes(struct str data, bool is_end)
{
    if (seen.release_count == 0 && req.on_body != NULL) {
        struct task *previous = task_enter(&req.task);
        req.on_body(&req, data, is_end);
        task_leave(previous);
    }
}

static void say(const ProtobufCMessage *message)
{
    char bytes[1024];
    const size_t len = protobuf_c_message_get_packed_size(message);
    assert_true(GRPC_PREFIX_BYTES + len <= sizeof(bytes));
    grpc_prefix(bytes, false, len);
    (void)protobuf_c_message_pack(message, (uint8_t *)bytes + GRPC_PREFIX_BYTES);
    feed_bytes((struct str){bytes, GRPC_PREFIX_BYTES + len}, false);
}

static void await_end(void)
{
    while (seen.release_count == 0) {
        rig_turn(&rig);
    }
}

/* is_pool_busy tells whether a connection has something to do, such as to kill a query that was
 * given up. */
static bool is_pool_busy(void)
{
    const struct sql_stats stats = sql_get_stats(rig.sql);
    return stats.waiters > 0 || stats.open != stats.idle;
}

/* leave ends a call, as it may be, and waits until nothing that it has asked for is left. */
static void leave(void)
{
    if (seen.release_count == 0) {
        http_request_abandon(&req);
    }
    assert_int_equal(seen.release_count, 1);
    while (listings.feed.is_trimming || is_pool_busy()) {
        rig_turn(&rig);
    }
    arena_deinit(&req.arena);
}

static bool has_status(const char *status)
{
    return strcmp(seen.rpc_status, status) == 0;
}

/* assert_ended: with OK, for want of memory, or before there was a call. */
static void assert_ended(void)
{
    assert_int_equal(seen.release_count, 1);
    if (seen.end_count == 0) {
        assert_int_equal(seen.status, 503);
    } else if (!has_status("0")) {
        assert_string_equal(seen.rpc_status, "8");
    }
}

/* fail_each grants so many allocations, one more each time, until that was enough. */
static void fail_each(void (*converse)(void), void (*check)(void))
{
    bool is_enough = false;
    size_t granted = 0;
    while (!is_enough) {
        allocations_left = granted++;
        converse();
        is_enough = allocations_left > 0;
        allocations_left = SIZE_MAX;
        leave();
        assert_ended();
        check();
    }
    assert_string_equal(seen.rpc_status, "0");
    assert_true(granted > 5);
}

/* --- import --- */

static Toq__V1__ImportListingsRequest good_row = TOQ__V1__IMPORT_LISTINGS_REQUEST__INIT;
static Toq__V1__ImportListingsRequest bad_row = TOQ__V1__IMPORT_LISTINGS_REQUEST__INIT;

static void import_three(void)
{
    begin(SERVICE "ImportListings");
    say(&good_row.base);
    say(&bad_row.base);
    say(&good_row.base);
    feed_bytes(STR(""), true);
    await_end();
}

/* new_row makes a listing that may be created. */
static void new_row(struct listings_message *message)
{
    const struct listing row = sample("{}");
    listings_message_write(&row, message);
    message->message.has_id = false;
    message->message.has_version = false;
    message->message.created_at = NULL;
    message->message.updated_at = NULL;
}

/* All rows are in or none, and all when the call says so. */
static void check_import(void)
{
    const long count = mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings");
    assert_true(count == 2 || (count == 0 && !has_status("0")));
    mariadb_execute(&db, "DELETE FROM toq.listings");
}

static void test_import(void **state)
{
    (void)state;
    struct listings_message good;
    new_row(&good);
    struct listings_message bad = good;
    bad.message.state = GRPC_BYTES(STR("XX"));
    good_row.listing = &good.message;
    bad_row.listing = &bad.message;
    fail_each(import_three, check_import);
}

/* --- sync --- */

static void store_one(void)
{
    mariadb_execute(&db, "INSERT INTO toq.listings VALUES ('" STORED
                         "','Casa','','house','sale',1,'BRL','','','Campinas','SP','',0,0,0,"
                         "'draft',2,UTC_TIMESTAMP(6),UTC_TIMESTAMP(6))");
}

static void say_pair(const char *id, uint64_t version)
{
    Toq__V1__SyncListingsRequest request = TOQ__V1__SYNC_LISTINGS_REQUEST__INIT;
    request.has_id = true;
    request.id = GRPC_BYTES(str_from(id));
    request.has_version = true;
    request.version = version;
    say(&request.base);
}

static void sync_three(void)
{
    begin(SERVICE "SyncListings");
    say_pair(STORED, 1);
    say_pair(STORED, 2);
    say_pair(NO_ID, 1);
    feed_bytes(STR(""), true);
    await_end();
}

static void check_sync(void)
{
    assert_true(!has_status("0") || seen.body_bytes > 100);
}

static void test_sync(void **state)
{
    (void)state;
    store_one();
    fail_each(sync_three, check_sync);
}

/* --- watch --- */

static bool has_ended(void)
{
    return seen.release_count > 0;
}

static void await_bytes(size_t more_than)
{
    while (!has_ended() && seen.body_bytes <= more_than) {
        rig_turn(&rig);
    }
}

/* watch asks for changes, from the beginning of the log or from now on, and awaits the POSITION. */
static void watch(bool from_beginning)
{
    Toq__V1__WatchListingsRequest request = TOQ__V1__WATCH_LISTINGS_REQUEST__INIT;
    request.has_position = from_beginning;
    request.has_city = true;
    request.city = GRPC_BYTES(STR("campinas"));
    begin(SERVICE "WatchListings");
    say(&request.base);
    feed_bytes(STR(""), true);
    await_bytes(from_beginning ? 100 : 0); /* a change is longer */
}

/* end_watch ends one that goes on, as at a drain. */
static void end_watch(void)
{
    if (!has_ended()) {
        assert_int_equal(seen.end_count, 0);
        task_cancel(&req.task, UV_ECANCELED);
        assert_string_equal(seen.rpc_status, "14");
        assert_int_equal(seen.end_count, 1);
        (void)snprintf(seen.rpc_status, sizeof(seen.rpc_status), "0");
    }
}

static void watch_from_now(void)
{
    watch(false);
    end_watch();
}

static void watch_from_the_beginning(void)
{
    watch(true);
    end_watch();
}

static void check_feed(void)
{
    assert_int_equal(listings.feed.state, LISTINGS_FEED_IDLE);
    assert_int_equal(listings.feed.follower_count, 0);
    assert_int_equal(listings.feed.kept_bytes, 0);
}

static void test_the_beginning_of_a_watch(void **state)
{
    (void)state;
    fail_each(watch_from_now, check_feed);
}

static void test_what_a_watch_has_missed(void **state)
{
    (void)state;
    store_one();
    fail_each(watch_from_the_beginning, check_feed);
}

/* news makes the feed read the log, and waits until it has, well or not. */
static void news(void)
{
    on_news(&listings.feed.sub, STR(LISTINGS_CHANNEL), STR(""));
    while (!has_ended() && listings.feed.reading != NULL) {
        rig_turn(&rig);
    }
}

/* A change that could not be read is read at the next occasion; others may follow meanwhile. */
static void test_a_change_while_memory_is_missing(void **state)
{
    (void)state;
    size_t granted = 0;
    bool is_enough = false;
    while (!is_enough) {
        mariadb_execute(&db, "DELETE FROM toq.listings");
        mariadb_execute(&db,
                        "DELETE FROM toq.listing_changes"); /* or there is more to read each time */
        watch(false);
        assert_false(has_ended());
        const size_t before = seen.body_bytes;
        store_one();
        allocations_left = granted++;
        news();
        is_enough = allocations_left > 0;
        allocations_left = SIZE_MAX;
        news();
        await_bytes(before);
        end_watch();
        leave();
        assert_true(has_status("0") || has_status("8"));
        assert_true(seen.body_bytes > before || has_status("8"));
        check_feed();
    }
    assert_string_equal(seen.rpc_status, "0");
    assert_true(granted > 5);
}

/* await_writes turns the loop until so many messages were sent.
 *
 * Returns: the most of one turn. */
static size_t await_writes(size_t count)
{
    size_t most = 0;
    while (seen.write_count < count) {
        const size_t before = seen.write_count;
        assert_false(has_ended());
        rig_turn(&rig);
        most = seen.write_count - before > most ? seen.write_count - before : most;
    }
    return most;
}

static void change_often(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mariadb_execute(&db, "UPDATE toq.listings SET version=version+1");
    }
}

/* Many changes are sent in many turns, those that were missed and those that come: deferred calls
 * run twice a turn, beside the callback that brings the changes. */
static void test_many_changes_are_sent_in_many_turns(void **state)
{
    enum { MANY = 200, A_TURN = 3 * 16 };
    (void)state;
    store_one();
    change_often(MANY);
    watch(true);
    assert_in_range(await_writes(1 + MANY + 1), 1, A_TURN); /* with the POSITION */
    const size_t before = seen.write_count;
    change_often(MANY);
    on_news(&listings.feed.sub, STR(LISTINGS_CHANNEL), STR(""));
    assert_in_range(await_writes(before + MANY), 1, A_TURN);
    end_watch();
    leave();
    check_feed();
}

/* --- one request --- */

static const char *asked_path;
static const ProtobufCMessage *asked;

static void ask_once(void)
{
    begin(asked_path);
    say(asked);
    feed_bytes(STR(""), true);
    await_end();
}

/* Whatever a call was to do is done when it says so; and may be done, when it cannot say so. */
static void check_one_listing(void)
{
    const long count = mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings");
    assert_true(count == 1 || !has_status("0"));
    mariadb_execute(&db, "DELETE FROM toq.listings");
    store_one();
}

static void check_made(void)
{
    const long count = mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings");
    assert_true(count == 1 || (count == 0 && !has_status("0")));
    mariadb_execute(&db, "DELETE FROM toq.listings");
}

static void check_changed(void)
{
    const long version = mariadb_number(&db, "SELECT version FROM toq.listings");
    assert_true(version == 3 || (version == 2 && !has_status("0")));
    mariadb_execute(&db, "UPDATE toq.listings SET version=2, title='Casa'");
}

static void check_deleted(void)
{
    const long count = mariadb_number(&db, "SELECT COUNT(*) FROM toq.listings");
    assert_true(count == 0 || !has_status("0"));
    mariadb_execute(&db, "DELETE FROM toq.listings");
    store_one();
}

static void fail_each_of(const char *path, const ProtobufCMessage *message, void (*check)(void))
{
    asked_path = path;
    asked = message;
    fail_each(ask_once, check);
}

static void test_reads(void **state)
{
    (void)state;
    Toq__V1__GetListingRequest get_one = TOQ__V1__GET_LISTING_REQUEST__INIT;
    Toq__V1__ListListingsRequest list_all = TOQ__V1__LIST_LISTINGS_REQUEST__INIT;
    store_one();
    get_one.has_id = true;
    get_one.id = GRPC_BYTES(STR(STORED));
    fail_each_of(SERVICE "GetListing", &get_one.base, check_one_listing);
    list_all.has_with_total = true;
    list_all.with_total = true;
    list_all.has_title = true;
    list_all.title = GRPC_BYTES(STR("casa"));
    list_all.has_status = true;
    list_all.status = GRPC_BYTES(STR("draft"));
    fail_each_of(SERVICE "ListListings", &list_all.base, check_one_listing);
}

static void test_create(void **state)
{
    (void)state;
    Toq__V1__CreateListingRequest request = TOQ__V1__CREATE_LISTING_REQUEST__INIT;
    struct listings_message message;
    new_row(&message);
    request.listing = &message.message;
    fail_each_of(SERVICE "CreateListing", &request.base, check_made);
}

static void test_update(void **state)
{
    (void)state;
    Toq__V1__UpdateListingRequest request = TOQ__V1__UPDATE_LISTING_REQUEST__INIT;
    listing_message wanted = TOQ__V1__LISTING__INIT;
    store_one();
    wanted.has_id = true;
    wanted.id = GRPC_BYTES(STR(STORED));
    wanted.has_version = true;
    wanted.version = 2;
    wanted.has_title = true;
    wanted.title = GRPC_BYTES(STR("Outra"));
    request.listing = &wanted;
    fail_each_of(SERVICE "UpdateListing", &request.base, check_changed);
}

static void test_delete(void **state)
{
    (void)state;
    Toq__V1__DeleteListingRequest request = TOQ__V1__DELETE_LISTING_REQUEST__INIT;
    store_one();
    request.has_id = true;
    request.id = GRPC_BYTES(STR(STORED));
    fail_each_of(SERVICE "DeleteListing", &request.base, check_deleted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads, set_up_calls, tear_down_calls),
        cmocka_unit_test_setup_teardown(test_create, set_up_calls, tear_down_calls),
        cmocka_unit_test_setup_teardown(test_update, set_up_calls, tear_down_calls),
        cmocka_unit_test_setup_teardown(test_delete, set_up_calls, tear_down_calls),
        cmocka_unit_test_setup_teardown(test_import, set_up_calls, tear_down_calls),
        cmocka_unit_test_setup_teardown(test_sync, set_up_calls, tear_down_calls),
        cmocka_unit_test_setup_teardown(test_the_beginning_of_a_watch, set_up_calls,
                                        tear_down_calls),
        cmocka_unit_test_setup_teardown(test_what_a_watch_has_missed, set_up_calls,
                                        tear_down_calls),
        cmocka_unit_test_setup_teardown(test_many_changes_are_sent_in_many_turns, set_up_calls,
                                        tear_down_calls),
        cmocka_unit_test_setup_teardown(test_a_change_while_memory_is_missing, set_up_calls,
                                        tear_down_calls),
    };
    return cmocka_run_group_tests_name("listings_grpc", tests, set_up_server, tear_down_server);
}
