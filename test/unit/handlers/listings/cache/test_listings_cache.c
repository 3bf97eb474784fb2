/* SPDX-License-Identifier: MIT
 *
 * test_listings_cache.c - hits, misses, one load for many, writes that two processes hear of, and a
 * Redis that has nonsense in it or is gone.
 *
 * Tests: handlers/listings/cache/listings_cache_write.c
 */
#include "test/unit/handlers/listings/cache/cache_rig.h"

#include "core/base/clock.h"

/* --- reads --- */

static void test_a_miss_and_then_hits(void **state)
{
    (void)state;
    struct attempt first;
    struct attempt second;
    const struct str id = created("{}"); /* behind the cache's back */
    assert_int_equal(read_one(&a, &first, id), 0);
    assert_int_equal(first.version, 1);
    assert_true(has_text(first.json, "\"title\":\"Casa\""));
    while (kept(&a, id).ptr == NULL) {
        rig_turn(&rig);
    }
    assert_int_equal(read_one(&b, &second, id), 0);
    assert_true(str_equal(first.json, second.json));
    assert_int_equal(second.version, 1);
    assert_int_equal(reads(&a, LISTINGS_CACHE_MISS), 1);
    assert_int_equal(reads(&b, LISTINGS_CACHE_HIT), 1);
    assert_int_equal(*b.cache.loaded[LISTINGS_CACHE_LISTING], 0);
}

static int read_as_listing(struct node *node, struct attempt *attempt, struct str id)
{
    attempt_init(attempt);
    attempt->read.takes_listing = true;
    assert_int_equal(listings_cache_get(&node->cache, &attempt->read, id), 0);
    return ended(attempt);
}

static void test_a_listing_as_it_is(void **state)
{
    (void)state;
    struct attempt attempt;
    const struct str id = created("{}");
    assert_int_equal(read_as_listing(&a, &attempt, id), 0);
    assert_true(attempt.has_listing);
    assert_int_equal(attempt.version, 1);
    while (kept(&a, id).ptr == NULL) { /* Redis gets its JSON all the same */
        rig_turn(&rig);
    }
    assert_true(has_text(kept(&a, id), "\"title\":\"Casa\""));
    assert_int_equal(read_as_listing(&b, &attempt, id), 0); /* which is what a hit is */
    assert_false(attempt.has_listing);
    assert_true(has_text(attempt.json, "\"title\":\"Casa\""));
    assert_int_equal(reads(&b, LISTINGS_CACHE_HIT), 1);
}

static void test_json_is_made_for_who_wants_it(void **state)
{
    (void)state;
    struct attempt as_listing;
    struct attempt as_json;
    struct node c;
    node_open(&c, 0, NODE_TIMEOUT_MS);
    const struct str id = created("{}");
    assert_int_equal(read_as_listing(&c, &as_listing, id), 0);
    assert_true(as_listing.has_listing);
    assert_null(as_listing.json.ptr);
    attempt_init(&as_listing);
    as_listing.read.takes_listing = true;
    assert_int_equal(listings_cache_get(&c.cache, &as_listing.read, id), 0);
    start_get(&c, &as_json, id); /* shares the load */
    assert_int_equal(ended(&as_json), 0);
    assert_int_equal(ended(&as_listing), 0);
    assert_true(as_listing.has_listing);
    assert_false(as_json.has_listing);
    assert_true(has_text(as_json.json, "\"title\":\"Casa\""));
    assert_int_equal(reads(&c, LISTINGS_CACHE_SHARED), 1);
    node_close(&c);
}

static void test_what_is_not_there_is_not_kept(void **state)
{
    (void)state;
    struct attempt attempt;
    assert_int_equal(read_one(&a, &attempt, STR(NO_ID)), UV_ENOENT);
    assert_null(kept(&a, STR(NO_ID)).ptr);
}

static void test_an_entry_has_a_time_to_live(void **state)
{
    (void)state;
    struct attempt attempt;
    char key[LISTINGS_KEY_BYTES];
    const struct str id = created("{}");
    assert_int_equal(read_one(&a, &attempt, id), 0);
    while (kept(&a, id).ptr == NULL) {
        rig_turn(&rig);
    }

    /* persists or has more than the TTL: the script says so as a text */
    const struct str args[] = {STR("EVAL"), STR("return tostring(redis.call('PTTL', KEYS[1]))"),
                               STR("1"), listings_entry_key(id, key)};
    uint64_t left_ms;
    assert_true(str_parse_u64(say(&a, args, ARRAY_COUNT(args)), NODE_TTL_MS, &left_ms));
    assert_true(left_ms > 0);
}

#define END       "9000000000000" /* far away */
#define OLD_ENTRY "1 " END " {\"old\":true}\n"

/* is_entry tells whether a text is an entry whose body begins so, and whose time is not over. */
static bool is_entry(struct str text, const char *version, const char *beginning)
{
    struct listings_entry entry;
    struct str rest = text;
    struct str field;
    return listings_entry_parse(text, &entry) && str_next_field(&rest, ' ', &field) &&
           str_equal(field, str_from(version)) && str_next_field(&rest, ' ', &field) &&
           rest.len >= strlen(beginning) && memcmp(rest.ptr, beginning, strlen(beginning)) == 0 &&
           entry.until_ms > clock_wall_ns() / NS_PER_MS;
}

/* --- writes --- */

static void test_writes_are_seen_everywhere(void **state)
{
    (void)state;
    struct attempt attempt;
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    assert_true(is_entry(kept(&a, STR(NO_ID)), "1", "{\"id\":\"" NO_ID "\""));
    assert_int_equal(read_one(&b, &attempt, STR(NO_ID)), 0);
    assert_int_equal(attempt.version, 1);
    assert_int_equal(write_over(&a, &attempt, NO_ID, 1), 0);
    assert_int_equal(attempt.version, 2);
    assert_int_equal(read_one(&b, &attempt, STR(NO_ID)), 0);
    assert_int_equal(attempt.version, 2);
    assert_true(has_text(attempt.json, "\"bedrooms\":3"));
    assert_int_equal(write_over(&b, &attempt, NO_ID, 1), UV_EAGAIN);
    assert_int_equal(write_removal(&b, &attempt, NO_ID), 0);
    assert_true(is_entry(kept(&a, STR(NO_ID)), "9007199254740991", "-"));
    assert_int_equal(read_one(&a, &attempt, STR(NO_ID)), UV_ENOENT);
    settled(3);
    assert_int_equal(a.cache.generation, b.cache.generation);
    assert_int_equal(*a.cache.invalidations[0], 2);
    assert_int_equal(*b.cache.invalidations[0], 1);
}

/* News and replies come over two connections, so either may be late. */
static void test_a_generation_does_not_go_back(void **state)
{
    (void)state;
    const uint64_t start = a.cache.generation + 100000000;
    listings_cache_move_on(&a.cache, start + 7);
    listings_cache_move_on(&a.cache, start + 6);
    assert_int_equal(a.cache.generation, start + 7);
    listings_cache_move_on(&a.cache, start - 60000000); /* began anew, by a clock a minute behind */
    assert_int_equal(a.cache.generation, start - 60000000);
    listings_cache_move_on(&a.cache, start);
    assert_int_equal(a.cache.generation, start);
}

static void test_a_generation_that_begins_anew_is_beyond_the_old_one(void **state)
{
    (void)state;
    struct attempt attempt;
    const struct str flush[] = {STR("FLUSHALL")};
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    const uint64_t before = a.cache.generation;
    (void)say(&a, flush, 1);
    assert_int_equal(write_over(&a, &attempt, NO_ID, 1), 0);
    assert_true(a.cache.generation > before);
    settled(2);
    assert_int_equal(b.cache.generation, a.cache.generation);
}

static void test_a_slow_reader_puts_nothing_back(void **state)
{
    (void)state;
    struct attempt attempt;
    struct listings_put *put;
    char key[LISTINGS_KEY_BYTES];
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    assert_int_equal(write_over(&a, &attempt, NO_ID, 1), 0);
    const struct listings_put_options old = {
        .key = listings_entry_key(STR(NO_ID), key),
        .entry = {.version = 1, .json = STR("{\"old\":true}")},
        .ttl_ms = NODE_TTL_MS,
    };
    assert_int_equal(listings_entry_put(&b.cache.entries, &old, &put), 0);
    while (redis_pending_count(b.redis) != 0) {
        rig_turn(&rig);
    }

    assert_true(is_entry(kept(&b, STR(NO_ID)), "2", "{\"id\""));
}

static void test_an_older_entry_is_not_believed(void **state)
{
    (void)state;
    struct attempt attempt;
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    assert_int_equal(write_over(&a, &attempt, NO_ID, 1), 0);
    settled(2);
    keep(&a, STR(NO_ID), OLD_ENTRY); /* as if Redis had not been told */
    assert_int_equal(read_one(&a, &attempt, STR(NO_ID)), 0);
    assert_int_equal(attempt.version, 2);
    keep(&a, STR(NO_ID), OLD_ENTRY);
    assert_int_equal(read_one(&b, &attempt, STR(NO_ID)), 0); /* it was told by message */
    assert_int_equal(attempt.version, 2);
}

static void test_a_load_from_before_a_write_is_not_joined(void **state)
{
    (void)state;
    struct attempt slow;
    struct attempt write;
    struct attempt attempt;
    assert_int_equal(write_new(&b, &attempt, NO_ID), 0);
    settled(1);
    const struct str args[] = {STR("FLUSHALL")};
    (void)say(&a, args, 1);
    mariadb_execute(&db, "LOCK TABLES toq.listings WRITE"); /* from outside: reads wait */
    start_get(&a, &slow, STR(NO_ID));
    while (reads(&a, LISTINGS_CACHE_MISS) != 1) {
        rig_turn(&rig);
    }
    start_update(&a, &write, NO_ID, 1);
    listings_cache_cancel_write(&write.write);
    start_get(&a, &attempt, STR(NO_ID));
    while (reads(&a, LISTINGS_CACHE_MISS) != 2) {
        rig_turn(&rig);
    }
    release();
    assert_int_equal(ended(&slow), 0);
    assert_int_equal(ended(&attempt), 0);
    assert_int_equal(*a.cache.loaded[LISTINGS_CACHE_LISTING], 2);
}

static void test_a_write_in_doubt_leaves_nothing_old(void **state)
{
    (void)state;
    struct attempt attempt;
    struct attempt write;
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    start_update(&a, &write, NO_ID, 1);
    listings_cache_cancel_write(&write.write);
    listings_cache_cancel_write(&write.write);
    while (!is_entry(kept(&a, STR(NO_ID)), "2", "?")) {
        rig_turn(&rig);
    }
    assert_int_equal(write.done_count, 0);
    assert_int_equal(read_one(&b, &attempt, STR(NO_ID)), 0);
    while (redis_pending_count(b.redis) != 0) {
        rig_turn(&rig);
    }
    const struct str now = kept(&b, STR(NO_ID));
    assert_true(attempt.version == 1 ? is_entry(now, "2", "?") : is_entry(now, "2", "{"));
}

/* --- pages --- */

static uint64_t pages(const struct node *node, enum listings_cache_result result)
{
    return *node->cache.requests[LISTINGS_CACHE_PAGE][result];
}

static void test_pages_of_one_generation(void **state)
{
    (void)state;
    struct attempt attempt;
    assert_int_equal(read_page(&a, &attempt), 0);
    assert_true(has_text(attempt.json, "{\"items\":[]"));
    while (redis_pending_count(a.redis) != 0) {
        rig_turn(&rig);
    }
    assert_int_equal(read_page(&b, &attempt), 0);
    assert_int_equal(pages(&b, LISTINGS_CACHE_HIT), 1);
    assert_int_equal(write_new(&b, &attempt, NO_ID), 0);
    assert_int_equal(read_page(&b, &attempt),
                     0); /* what one has written oneself is there at once */
    assert_true(has_text(attempt.json, NO_ID));
    assert_int_equal(pages(&b, LISTINGS_CACHE_MISS), 1);
    settled(1);
    assert_int_equal(read_page(&a, &attempt), 0);
    assert_true(has_text(attempt.json, NO_ID));
}

static void test_pages_need_the_news(void **state)
{
    (void)state;
    struct attempt attempt;
    a.cache.sub.is_live = false;
    a.cache.sub.on_live(&a.cache.sub, false);
    assert_int_equal(read_page(&a, &attempt), 0);
    assert_int_equal(read_page(&a, &attempt), 0);
    assert_int_equal(pages(&a, LISTINGS_CACHE_BYPASS), 2);
    a.cache.sub.is_live = true;
    a.cache.sub.on_live(&a.cache.sub, true);
    while (!a.cache.has_generation) {
        rig_turn(&rig);
    }
    assert_int_equal(read_page(&a, &attempt), 0);
    assert_int_equal(pages(&a, LISTINGS_CACHE_MISS), 1);
}

/* --- a Redis that is no help --- */

static void test_nonsense_in_redis_is_no_hit(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "nonsense",
                                        "1",
                                        "1 ",
                                        "1 {}",
                                        "x 1 {}",
                                        "1 1 {}" /* its time is over */,
                                        "-1 " END " {}",
                                        "1 " END " x",
                                        "1 " END " -x",
                                        "99999999999999999999 " END " {}"};
    struct attempt attempt;
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        keep(&b, STR(NO_ID), texts[i]);
        assert_int_equal(read_one(&b, &attempt, STR(NO_ID)), 0);
        assert_true(has_text(attempt.json, "\"title\":\"Casa\""));
    }
    assert_int_equal(reads(&b, LISTINGS_CACHE_HIT), 0);
}

static void test_another_type_gives_way(void **state)
{
    (void)state;
    struct attempt attempt;
    char key[LISTINGS_KEY_BYTES];
    const struct str del[] = {STR("DEL"), listings_entry_key(STR(NO_ID), key)};
    const struct str push[] = {STR("RPUSH"), del[1], STR("x")};
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    (void)say(&a, del, ARRAY_COUNT(del));
    (void)say(&a, push, ARRAY_COUNT(push));
    assert_int_equal(read_one(&b, &attempt, STR(NO_ID)), 0);
    while (redis_pending_count(b.redis) != 0) {
        rig_turn(&rig);
    }
    assert_true(is_entry(kept(&b, STR(NO_ID)), "1", "{"));
}

static void test_without_redis_mysql_serves(void **state)
{
    (void)state;
    struct attempt attempt;
    assert_int_equal(write_new(&a, &attempt, NO_ID), 0);
    redis_stop();
    while (redis_get_health(a.redis).is_ready || a.cache.sub.is_live) {
        rig_turn(&rig);
    }

    assert_int_equal(read_one(&a, &attempt, STR(NO_ID)), 0);
    assert_int_equal(write_over(&a, &attempt, NO_ID, 1), 0);
    assert_int_equal(read_one(&a, &attempt, STR(NO_ID)), 0);
    assert_int_equal(attempt.version, 2);
    assert_int_equal(reads(&a, LISTINGS_CACHE_BYPASS), 2);
    assert_int_equal(read_page(&a, &attempt), 0);
    assert_true(has_text(attempt.json, "\"bedrooms\":3"));
    redis_start();
    while (!(redis_get_health(a.redis).is_ready && a.cache.sub.is_live)) {
        rig_turn(&rig);
    }

    while (!(redis_get_health(b.redis).is_ready && b.cache.sub.is_live)) {
        rig_turn(&rig);
    }

    assert_int_equal(read_one(&a, &attempt, STR(NO_ID)), 0);
    assert_int_equal(reads(&a, LISTINGS_CACHE_MISS), 1);
    while (!is_entry(kept(&a, STR(NO_ID)), "2", "{")) {
        rig_turn(&rig);
    }
}

static void test_a_redis_that_hangs_is_left_alone(void **state)
{
    (void)state;
    struct attempt attempt;
    struct node c;
    node_open(&c, NODE_TTL_MS, 1);
    const struct str id = created("{}");
    assert_int_equal(kill(redis_pid, SIGSTOP), 0);
    assert_int_equal(read_one(&c, &attempt, id), 0);
    const size_t pending = redis_pending_count(c.redis);
    assert_int_equal(read_one(&c, &attempt, id), 0);
    assert_int_equal(redis_pending_count(c.redis), pending); /* it was not asked again */
    assert_int_equal(reads(&c, LISTINGS_CACHE_BYPASS), 2);
    assert_int_equal(kill(redis_pid, SIGCONT), 0);
    node_close(&c);
}

static void test_a_cache_that_is_off(void **state)
{
    (void)state;
    struct attempt attempt;
    struct node c;
    node_open(&c, 0, NODE_TIMEOUT_MS);
    assert_int_equal(write_new(&c, &attempt, NO_ID), 0);
    assert_int_equal(read_one(&c, &attempt, STR(NO_ID)), 0);
    assert_int_equal(read_page(&c, &attempt), 0);
    assert_null(kept(&c, STR(NO_ID)).ptr);
    assert_int_equal(reads(&c, LISTINGS_CACHE_BYPASS), 1);
    assert_int_equal(pages(&c, LISTINGS_CACHE_BYPASS), 1);
    node_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODES_TEST(test_a_miss_and_then_hits),
        NODES_TEST(test_a_listing_as_it_is),
        NODES_TEST(test_json_is_made_for_who_wants_it),
        NODES_TEST(test_what_is_not_there_is_not_kept),
        NODES_TEST(test_an_entry_has_a_time_to_live),
        NODES_TEST(test_writes_are_seen_everywhere),
        NODES_TEST(test_a_generation_does_not_go_back),
        NODES_TEST(test_a_generation_that_begins_anew_is_beyond_the_old_one),
        NODES_TEST(test_a_slow_reader_puts_nothing_back),
        NODES_TEST(test_an_older_entry_is_not_believed),
        NODES_TEST(test_a_load_from_before_a_write_is_not_joined),
        NODES_TEST(test_a_write_in_doubt_leaves_nothing_old),
        NODES_TEST(test_pages_of_one_generation),
        NODES_TEST(test_pages_need_the_news),
        NODES_TEST(test_nonsense_in_redis_is_no_hit),
        NODES_TEST(test_another_type_gives_way),
        NODES_TEST(test_without_redis_mysql_serves),
        NODES_TEST(test_a_redis_that_hangs_is_left_alone),
        NODES_TEST(test_a_cache_that_is_off),
    };
    return cmocka_run_group_tests_name("listings_cache", tests, set_up_servers, tear_down_servers);
}
