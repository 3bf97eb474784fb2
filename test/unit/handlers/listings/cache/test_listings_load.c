/* SPDX-License-Identifier: MIT
 *
 * test_listings_load.c - one load for many who wait: who shares it, who leaves, and in which turns
 * they are told.
 */
#include "test/unit/handlers/listings/cache/cache_rig.h"

#include "core/base/clock.h"

#define MANY 20

/* start_many lets many wait for one load, which waits until release. */
static void start_many(struct attempt *attempts, struct str id)
{
    mariadb_execute(&db, "LOCK TABLES toq.listings WRITE"); /* from outside */
    for (size_t i = 0; i < MANY; i++) {
        start_get(&a, &attempts[i], id);
    }
    while (reads(&a, LISTINGS_CACHE_MISS) + reads(&a, LISTINGS_CACHE_SHARED) != MANY) {
        rig_turn(&rig);
    }
}

static void test_one_load_for_many(void **state)
{
    (void)state;
    static struct attempt attempts[MANY];
    const struct str id = created("{}");
    start_many(attempts, id);
    release();
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(ended(&attempts[i]), 0);
        assert_true(str_equal(attempts[i].json, attempts[0].json));
    }
    assert_int_equal(reads(&a, LISTINGS_CACHE_MISS), 1);
    assert_int_equal(*a.cache.loaded[LISTINGS_CACHE_LISTING], 1);
}

/* on_slow_read ends as a big answer does: it takes its time. */
static void on_slow_read(struct listings_read *read, int status)
{
    const uint64_t end_ns = clock_now_ns() + 2 * NS_PER_MS;
    struct attempt *attempt = CONTAINER_OF(read, struct attempt, read);
    attempt->status = status;
    attempt->version = status == 0 && read->listing != NULL ? read->listing->version : 0;
    attempt->has_listing = status == 0 && read->listing != NULL &&
                           str_equal(read->listing->fields[LISTING_TITLE].text, STR("Casa"));
    attempt->done_count++;
    while (clock_now_ns() < end_ns) {
    }
}

/* Who waits with many others is told in a later turn; what was read is still there, and another may
 * leave. */
static void test_many_are_told_in_many_turns(void **state)
{
    (void)state;
    static struct attempt attempts[MANY];
    const struct str id = created("{}");
    size_t ended_count = 0;
    unsigned turns = 0;
    start_many(attempts, id);
    for (size_t i = 0; i < MANY; i++) {
        attempts[i].read.on_done = on_slow_read;
        attempts[i].read.takes_listing = true;
        attempts[i].read.waiter.takes_listing = true;
    }
    release();
    while (ended_count < MANY - 1) {
        const size_t before = ended_count;
        rig_turn(&rig);
        ended_count = 0;
        for (size_t i = 0; i < MANY; i++) {
            ended_count += attempts[i].done_count;
        }
        turns += ended_count > before ? 1 : 0;
        if (turns == 1 && before == 0) {
            assert_true(ended_count < MANY - 1);
            listings_cache_cancel(&attempts[MANY - 1].read);
        }
    }
    assert_true(turns > MANY / 4);
    for (size_t i = 0; i < MANY - 1; i++) {
        assert_int_equal(attempts[i].status, 0);
        assert_true(attempts[i].has_listing);
        assert_int_equal(attempts[i].version, 1);
    }
    assert_int_equal(attempts[MANY - 1].done_count, 0);
}

/* leave cancels all but those from `first` to `last`, then the rest must be served. */
static void leave_but(size_t first, size_t last)
{
    static struct attempt attempts[MANY];
    const struct str id = created("{}");
    start_many(attempts, id);
    for (size_t i = 0; i < MANY; i++) {
        if (i < first || i > last) {
            listings_cache_cancel(&attempts[i].read);
        }
    }
    release();
    for (size_t i = first; i <= last && i < MANY; i++) {
        assert_int_equal(ended(&attempts[i]), 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(attempts[i].done_count, i >= first && i <= last ? 1 : 0);
    }
}

static void test_whoever_leaves_takes_nobody_along(void **state)
{
    (void)state;
    leave_but(MANY - 1, MANY - 1);
    assert_int_equal(*a.cache.loaded[LISTINGS_CACHE_LISTING], 1);
}

static void test_without_waiters_there_is_no_load(void **state)
{
    (void)state;
    struct attempt attempt;
    leave_but(MANY, MANY);
    assert_int_equal(*a.cache.loaded[LISTINGS_CACHE_LISTING], 0);
    assert_int_equal(read_one(&a, &attempt, created("{}")), 0); /* the place is free again */
}

static void test_a_wait_for_redis_is_given_up(void **state)
{
    (void)state;
    struct attempt attempt;
    start_get(&a, &attempt, created("{}"));
    listings_cache_cancel(&attempt.read);
    listings_cache_cancel(&attempt.read);
    assert_int_equal(read_one(&a, &attempt, STR(NO_ID)), UV_ENOENT);
}

static void test_the_tasks_of_those_who_wait(void **state)
{
    (void)state;
    struct task tasks[2] = {0};
    struct attempt attempts[2];
    const struct str id = created("{}");
    mariadb_execute(&db, "LOCK TABLES toq.listings WRITE");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(task_start(&tasks[i], "test", 1, NULL), 0);
        attempt_init(&attempts[i]);
        attempts[i].read.task = &tasks[i];
        assert_int_equal(listings_cache_get(&a.cache, &attempts[i].read, id), 0);
        assert_string_equal(tasks[i].state, "redis");
    }
    while (reads(&a, LISTINGS_CACHE_SHARED) != 1) {
        rig_turn(&rig);
    }

    assert_true(strncmp(tasks[0].state, "mysql", 5) == 0);
    assert_true(strncmp(tasks[1].state, "mysql", 5) == 0);
    listings_cache_cancel(&attempts[0].read);
    task_end(&tasks[0]); /* the load must not touch it any more */
    memset(&tasks[0], 0xFF, sizeof(tasks[0]));
    release();
    assert_int_equal(ended(&attempts[1]), 0);
    assert_string_equal(tasks[1].state, "waiting");
    task_end(&tasks[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODES_TEST(test_one_load_for_many),
        NODES_TEST(test_many_are_told_in_many_turns),
        NODES_TEST(test_whoever_leaves_takes_nobody_along),
        NODES_TEST(test_without_waiters_there_is_no_load),
        NODES_TEST(test_a_wait_for_redis_is_given_up),
        NODES_TEST(test_the_tasks_of_those_who_wait),
    };
    return cmocka_run_group_tests_name("listings_load", tests, set_up_servers, tear_down_servers);
}
