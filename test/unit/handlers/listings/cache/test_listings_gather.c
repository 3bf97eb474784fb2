/* SPDX-License-Identifier: MIT
 *
 * test_listings_gather.c - gets that share queries, those that wait for one, and those that leave.
 */
#include "test/unit/handlers/listings/store/listings_rig.h"

#include "handlers/listings/cache/listings_gather.h"
#include "test/unit/support/render_metrics.h"

#define MANY (LISTINGS_LOOKUP_MAX + 1)

static struct metrics *metrics;
static struct listings_gather gather;

/* A get and how it has ended. */
struct wish {
    struct listings_get get;
    int status;
    unsigned done_count;
    bool has_listing;
    struct str title; /* a copy */
};

static int set_up_gather(void **state)
{
    (void)set_up(state);
    metrics = metrics_create();
    assert_non_null(metrics);
    assert_int_equal(listings_gather_init(&gather, rig.loop, rig.sql, metrics), 0);
    return 0;
}

static int tear_down_gather(void **state)
{
    (void)tear_down(state);
    metrics_destroy(metrics);
    return 0;
}

static void on_wish(struct listings_get *get, int status, const struct listing *listing)
{
    struct wish *wish = CONTAINER_OF(get, struct wish, get);
    wish->status = status;
    wish->done_count++;
    wish->has_listing = listing != NULL;
    if (listing != NULL) {
        assert_true(str_equal(listing->id, get->id));
        assert_true(arena_copy(&arena, listing->fields[LISTING_TITLE].text, &wish->title));
    }
    loop_stop(rig.loop);
}

static void start_for(struct wish *wish, struct str id, struct task *task)
{
    *wish = (struct wish){.get = {.id = id, .task = task, .on_got = on_wish}};
    assert_int_equal(listings_gather_start(&gather, &wish->get), 0);
    assert_int_equal(wish->done_count, 0);
}

static void start(struct wish *wish, struct str id)
{
    start_for(wish, id, NULL);
}

static int ended(struct wish *wish)
{
    while (wish->done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(wish->done_count, 1);
    assert_int_equal(wish->has_listing, wish->status == 0);
    return wish->status;
}

/* hold lets what reads listings wait until release. */
static void hold(void)
{
    mariadb_execute(&db, "LOCK TABLES toq.listings WRITE");
}

static void release_lock(void)
{
    mariadb_execute(&db, "UNLOCK TABLES");
}

/* queries is how many have ended. */
static uint64_t queries(void)
{
    return sql_get_stats(rig.sql).queries;
}

static bool shows(const char *line)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    render_metrics(metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_false(text.is_failed);
    const bool is_shown = strstr(text.data, line) != NULL;
    buf_deinit(&text);
    return is_shown;
}

/* occupy starts a query for every one that may run; hold must have been called. */
static void occupy(struct wish *wishes)
{
    for (size_t i = 0; i < LISTINGS_GATHER_RUNNING; i++) {
        start(&wishes[i], STR(NO_ID));
        while (wishes[i].get.query == NULL) {
            rig_turn(&rig);
        }
    }
    assert_true(list_is_empty(&gather.idle));
}

static void test_a_turn_is_a_query(void **state)
{
    (void)state;
    struct wish wishes[4];
    const struct str first = created("{\"title\":\"one\"}");
    const struct str second = created("{\"title\":\"two\"}");
    const uint64_t before = queries();
    start(&wishes[0], second);
    start(&wishes[1], STR(NO_ID));
    start(&wishes[2], first);
    start(&wishes[3], second);
    assert_int_equal(ended(&wishes[0]), 0);
    assert_int_equal(ended(&wishes[1]), UV_ENOENT);
    assert_int_equal(ended(&wishes[2]), 0);
    assert_int_equal(ended(&wishes[3]), 0);
    assert_true(str_equal(wishes[0].title, STR("two")));
    assert_true(str_equal(wishes[2].title, STR("one")));
    assert_true(str_equal(wishes[3].title, STR("two")));
    assert_int_equal(queries() - before, 1);
}

static void test_more_than_a_query_carries(void **state)
{
    (void)state;
    static struct wish wishes[MANY];
    const struct str id = created("{}");
    const uint64_t before = queries();
    for (size_t i = 0; i < MANY; i++) {
        start(&wishes[i], i % 2 == 0 ? id : STR(NO_ID));
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(ended(&wishes[i]), i % 2 == 0 ? 0 : UV_ENOENT);
    }
    assert_int_equal(queries() - before, 2);
}

static void test_what_comes_meanwhile_waits_together(void **state)
{
    (void)state;
    struct wish running[LISTINGS_GATHER_RUNNING];
    static struct wish waiting[MANY - 1];
    const struct str id = created("{}");
    hold();
    occupy(running);
    const uint64_t before = queries();
    for (size_t i = 0; i < ARRAY_COUNT(waiting); i++) {
        start(&waiting[i], id);
    }
    assert_null(waiting[0].get.query);
    assert_true(shows("\ntoq_listings_gather_waiting 64\n"));
    release_lock();
    for (size_t i = 0; i < ARRAY_COUNT(waiting); i++) {
        assert_int_equal(ended(&waiting[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(running); i++) {
        assert_int_equal(ended(&running[i]), UV_ENOENT);
    }
    assert_int_equal(queries() - before, LISTINGS_GATHER_RUNNING + 1);
    assert_true(shows("\ntoq_listings_gather_waiting 0\n"));
    assert_true(shows("\ntoq_listings_gather_queries_total 9\n"));
}

static void test_the_state_of_who_waits(void **state)
{
    (void)state;
    struct task task = {0};
    struct wish running[LISTINGS_GATHER_RUNNING];
    struct wish waiting;
    hold();
    occupy(running);
    assert_int_equal(task_start(&task, "test", 1, NULL), 0);
    start_for(&waiting, STR(NO_ID), &task);
    assert_string_equal(task.state, "mysql pool");
    listings_gather_cancel(&running[0].get);
    while (strcmp(task.state, "mysql") != 0) {
        rig_turn(&rig);
    }
    release_lock();
    assert_int_equal(ended(&waiting), UV_ENOENT);
    assert_string_equal(task.state, "waiting");
    task_end(&task);
    for (size_t i = 1; i < ARRAY_COUNT(running); i++) {
        assert_int_equal(ended(&running[i]), UV_ENOENT);
    }
}

static void test_only_so_many_wait(void **state)
{
    (void)state;
    static struct wish wishes[LISTINGS_GATHER_WAITING + 1];
    struct wish *last = &wishes[LISTINGS_GATHER_WAITING];
    for (size_t i = 0; i < LISTINGS_GATHER_WAITING; i++) {
        start(&wishes[i], STR(NO_ID));
    }
    *last = (struct wish){.get = {.id = STR(NO_ID), .on_got = on_wish}};
    assert_int_equal(listings_gather_start(&gather, &last->get), UV_EBUSY);
    listings_gather_cancel(&wishes[0].get); /* which makes room */
    start(last, STR(NO_ID));
    for (size_t i = 1; i <= LISTINGS_GATHER_WAITING; i++) {
        assert_int_equal(ended(&wishes[i]), UV_ENOENT);
    }
    assert_int_equal(wishes[0].done_count, 0);
}

static void test_whoever_leaves_takes_nobody_along(void **state)
{
    (void)state;
    struct task tasks[3] = {0};
    struct wish wishes[3];
    const struct str id = created("{}");
    hold();
    for (size_t i = 0; i < ARRAY_COUNT(wishes); i++) {
        char *copy = strndup(id.ptr, id.len);
        assert_int_equal(task_start(&tasks[i], "test", 1, NULL), 0);
        start_for(&wishes[i], (struct str){copy, id.len}, &tasks[i]);
        assert_string_equal(tasks[i].state, "mysql");
    }
    while (sql_get_stats(rig.sql).idle > 0 || wishes[0].get.query == NULL) {
        rig_turn(&rig);
    }
    for (size_t i = 0; i < 2; i++) {
        listings_gather_cancel(&wishes[i].get);
        listings_gather_cancel(&wishes[i].get);
        task_end(&tasks[i]);
        free((char *)(uintptr_t)wishes[i].get.id.ptr); /* nobody may touch these any more */
        memset(&tasks[i], 0xFF, sizeof(tasks[i]));
    }
    release_lock();
    assert_int_equal(ended(&wishes[2]), 0);
    assert_int_equal(wishes[0].done_count + wishes[1].done_count, 0);
    task_end(&tasks[2]);
    free((char *)(uintptr_t)wishes[2].get.id.ptr);
}

static void test_a_task_is_lent(void **state)
{
    (void)state;
    struct task tasks[2] = {0};
    struct wish wish;
    hold();
    assert_int_equal(task_start(&tasks[0], "test", 1, NULL), 0);
    assert_int_equal(task_start(&tasks[1], "test", 1, NULL), 0);
    start_for(&wish, STR(NO_ID), &tasks[0]);
    while (wish.get.query == NULL) {
        rig_turn(&rig);
    }
    listings_gather_lend(&wish.get, &tasks[1]);
    task_end(&tasks[0]);
    memset(&tasks[0], 0xFF, sizeof(tasks[0]));
    task_park(&tasks[1], "mysql"); /* as who lends it does */
    release_lock();
    assert_int_equal(ended(&wish), UV_ENOENT);
    assert_string_equal(tasks[1].state, "waiting");
    task_end(&tasks[1]);
}

static void test_without_gets_there_is_no_query(void **state)
{
    (void)state;
    struct wish wishes[2];
    struct wish next;
    hold();
    start(&wishes[0], STR(NO_ID));
    start(&wishes[1], STR(NO_ID));
    while (wishes[0].get.query == NULL) {
        rig_turn(&rig);
    }
    listings_gather_cancel(&wishes[1].get);
    assert_int_equal(sql_get_stats(rig.sql).cancels, 0);
    listings_gather_cancel(&wishes[0].get);
    assert_int_equal(sql_get_stats(rig.sql).cancels, 1);
    release_lock();
    start(&next, STR(NO_ID));
    assert_int_equal(ended(&next), UV_ENOENT);
    assert_int_equal(wishes[0].done_count + wishes[1].done_count, 0);
}

static void test_a_get_that_leaves_before_its_query(void **state)
{
    (void)state;
    struct wish wishes[2];
    const uint64_t before = queries();
    start(&wishes[0], STR(NO_ID));
    listings_gather_cancel(&wishes[0].get);
    assert_int_equal(gather.waiting_count, 0);
    start(&wishes[1], STR(NO_ID));
    assert_int_equal(ended(&wishes[1]), UV_ENOENT);
    assert_int_equal(queries() - before, 1);
    assert_int_equal(wishes[0].done_count, 0);
}

static void test_a_deadline_of_each(void **state)
{
    (void)state;
    struct sql_options options = mariadb_options(&db);
    static struct wish wishes[LISTINGS_GATHER_RUNNING * LISTINGS_LOOKUP_MAX + 1];
    struct wish next;
    rig_close(&rig);
    options.query_timeout_ms = 50;
    rig_open(&rig, &options);
    gather.loop = rig.loop;
    gather.sql = rig.sql;
    hold();
    for (size_t i = 0; i < ARRAY_COUNT(wishes); i++) { /* all that queries carry, and one */
        start(&wishes[i], STR(NO_ID));
    }
    for (size_t i = 0; i < ARRAY_COUNT(wishes); i++) {
        assert_int_equal(ended(&wishes[i]), UV_ETIMEDOUT);
    }
    release_lock();
    do {
        start(&next, STR(NO_ID));
    } while (ended(&next) == UV_ETIMEDOUT);
    assert_int_equal(next.status, UV_ENOENT);
}

static struct wish *to_leave; /* at somebody else's end */

static void on_wish_that_cancels(struct listings_get *get, int status,
                                 const struct listing *listing)
{
    listings_gather_cancel(&to_leave->get);
    on_wish(get, status, listing);
}

static void test_leaving_while_others_are_told(void **state)
{
    (void)state;
    struct wish wishes[3];
    for (size_t i = 0; i < ARRAY_COUNT(wishes); i++) {
        start(&wishes[i], STR(NO_ID));
    }
    to_leave = &wishes[1];
    wishes[0].get.on_got = on_wish_that_cancels;
    assert_int_equal(ended(&wishes[0]), UV_ENOENT);
    assert_int_equal(ended(&wishes[2]), UV_ENOENT);
    assert_int_equal(wishes[1].done_count, 0);
    to_leave = &wishes[0]; /* the last one of a query cancels who has ended */
    start(&wishes[1], STR(NO_ID));
    wishes[1].get.on_got = on_wish_that_cancels;
    assert_int_equal(ended(&wishes[1]), UV_ENOENT);
}

static void test_a_server_that_is_down(void **state)
{
    (void)state;
    struct wish wishes[LISTINGS_GATHER_RUNNING];
    struct wish waiting;
    struct wish later;
    hold();
    occupy(wishes);
    start(&waiting, STR(NO_ID));
    mariadb_stop(&db, SIGKILL);
    for (size_t i = 0; i < ARRAY_COUNT(wishes); i++) {
        assert_true(ended(&wishes[i]) < 0);
    }
    assert_true(ended(&waiting) < 0);
    start(&later, STR(NO_ID)); /* refused, but not from inside */
    assert_int_equal(ended(&later), UV_ENOTCONN);
    mariadb_start(&db, NULL);
    do {
        start(&later, STR(NO_ID));
    } while (ended(&later) != UV_ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_gather, tear_down_gather)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_turn_is_a_query),
        TEST(test_more_than_a_query_carries),
        TEST(test_what_comes_meanwhile_waits_together),
        TEST(test_the_state_of_who_waits),
        TEST(test_only_so_many_wait),
        TEST(test_whoever_leaves_takes_nobody_along),
        TEST(test_a_task_is_lent),
        TEST(test_without_gets_there_is_no_query),
        TEST(test_a_get_that_leaves_before_its_query),
        TEST(test_a_deadline_of_each),
        TEST(test_leaving_while_others_are_told),
        TEST(test_a_server_that_is_down),
    };
    return cmocka_run_group_tests_name("listings_gather", tests, set_up_server, tear_down_server);
}
