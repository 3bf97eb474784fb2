/* SPDX-License-Identifier: MIT
 *
 * test_cached.c - what Redis keeps of a value, for how long, and what never gets there.
 */
#include "test/unit/handlers/listings/cache/cache_rig.h"

#include "core/http/http.h"
#include "handlers/kit/cached.h"
#include "handlers/kit/name.h"
#include "test/unit/support/task_rig.h"

#define TTL_MS 60000

static struct node node;
static struct http_request req;
static struct cached cached;

/* One read. */
struct reading {
    int status;
    char text[64];
    unsigned done_count;
};

static void free_arena(struct task *task)
{
    arena_deinit(&CONTAINER_OF(task, struct http_request, task)->arena);
}

static int set_up_tables(void **state)
{
    (void)set_up_servers(state);
    mariadb_execute(&db, "CREATE TABLE t (id INT PRIMARY KEY, v INT, text VARCHAR(20))");
    return 0;
}

static int set_up_node(void **state)
{
    (void)set_up(state);
    if (redis_pid == 0) {
        redis_start();
    }
    node_open(&node, TTL_MS, NODE_TIMEOUT_MS);
    const struct str args[] = {STR("FLUSHALL")};
    (void)say(&node, args, 1);
    mariadb_execute(&db, "REPLACE INTO t VALUES (1, 10, 'ten')");
    cached = (struct cached){.sql = rig.sql,
                             .redis = node.redis,
                             .prefix = "toq:",
                             .ttl_ms = TTL_MS,
                             .timeout_ms = NODE_TIMEOUT_MS};
    req = (struct http_request){.life = HTTP_OPEN};
    arena_init(&req.arena, 1u << 20);
    task_rig_start(&req.task, free_arena);
    return 0;
}

static int tear_down_node(void **state)
{
    task_end(&req.task);
    assert_true(task_rig.is_freed);
    node_close(&node);
    return tear_down(state);
}

static void on_value(void *arg, int status, struct str value)
{
    struct reading *asked = arg;
    asked->done_count++;
    asked->status = status;
    (void)snprintf(asked->text, sizeof(asked->text), "%" STR_FMT, STR_ARG(value));
}

#define NUMBER "SELECT v FROM t WHERE id = ?"

static void begin(struct reading *asked, const char *text, int id, struct str absent)
{
    *asked = (struct reading){0};
    cached_ask(&cached, task_make_ref(&req.task),
               &(struct cached_value){.name = STR("test"),
                                      .statement = SQL_READ("test.read", text, sql_i64(id)),
                                      .absent = absent},
               on_value, asked);
    assert_int_equal(asked->done_count, 0);
}

static void wait_for(struct reading *asked)
{
    while (asked->done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(asked->done_count, 1);
}

/* read_as reads the value, and wants this. */
static void read_as(const char *text, int id, const char *wanted)
{
    struct reading asked;
    begin(&asked, text, id, (struct str){NULL, 0});
    wait_for(&asked);
    assert_int_equal(asked.status, 0);
    assert_string_equal(asked.text, wanted);
}

static struct str kept_text(void)
{
    const struct str args[] = {STR("GET"), STR("toq:test")};
    return say(&node, args, ARRAY_COUNT(args));
}

static void test_a_value_is_kept_until_it_is_forgotten(void **state)
{
    (void)state;
    read_as(NUMBER, 1, "10");
    mariadb_execute(&db, "UPDATE t SET v = 11");
    read_as(NUMBER, 1, "10");
    cached_forget(&cached, STR("test"));
    read_as(NUMBER, 1, "11");
    mariadb_execute(&db, "UPDATE t SET v = 12");
    read_as(NUMBER, 1, "11");
}

static void on_forgotten(void *arg)
{
    ((struct reading *)arg)->done_count++;
}

static void forget_then(struct reading *asked)
{
    *asked = (struct reading){0};
    cached_forget_then(&cached, task_make_ref(&req.task), STR("test"), on_forgotten, asked);
}

static void test_who_forgets_goes_on_when_redis_has(void **state)
{
    (void)state;
    struct reading asked;
    read_as(NUMBER, 1, "10");
    forget_then(&asked);
    assert_int_equal(asked.done_count, 0);
    assert_string_equal(req.task.state, "redis");
    wait_for(&asked);
    assert_int_equal(kept_text().ptr[0], 'f');
    read_as(NUMBER, 1, "10");
    cached.ttl_ms = 0; /* nothing is kept */
    forget_then(&asked);
    assert_int_equal(asked.done_count, 1);
}

static void test_what_a_client_that_has_left_wrote_is_forgotten(void **state)
{
    (void)state;
    struct reading asked;
    read_as(NUMBER, 1, "10");
    req.life = HTTP_CANCELLED;
    forget_then(&asked);
    assert_int_equal(asked.done_count, 1);
    while (kept_text().ptr[0] != 'f') {
        rig_turn(&rig);
    }
}

static void test_numbers_and_texts(void **state)
{
    static const struct {
        const char *text;
        const char *wanted;
    } rows[] = {
        {"SELECT -9223372036854775807 - ?", "-9223372036854775808"},
        {"SELECT 18446744073709551614 + ?", "18446744073709551615"},
        {"SELECT ? - 1", "0"},
        {"SELECT text FROM t WHERE id = ?", "ten"},
        {"SELECT SUBSTRING(text, 4) FROM t WHERE id = ?", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cached_forget(&cached, STR("test"));
        read_as(rows[i].text, 1, rows[i].wanted);
        read_as("SELECT 'not asked', ?", 1, rows[i].wanted);
    }
}

static void test_a_row_that_is_missing(void **state)
{
    (void)state;
    struct reading asked;
    begin(&asked, NUMBER, 2, (struct str){NULL, 0});
    wait_for(&asked);
    assert_int_equal(asked.status, UV_ENOENT);
    assert_null(kept_text().ptr);
    begin(&asked, NUMBER, 2, STR("0"));
    wait_for(&asked);
    assert_int_equal(asked.status, 0);
    assert_string_equal(asked.text, "0");
    assert_true(str_equal(kept_text(), STR("v0")));
}

/* Neither NULL nor a failed statement is a value, and nothing is kept of them. */
static void test_what_is_no_value(void **state)
{
    static const struct {
        const char *text;
        int status;
    } rows[] = {{"SELECT NULL, ?", UV_EPROTO},
                {"SELECT CAST(? AS DOUBLE)", UV_EPROTO},
                {"SELECT nonsense, ?", UV_EIO}};
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct reading asked;
        begin(&asked, rows[i].text, 1, STR("0"));
        wait_for(&asked);
        assert_int_equal(asked.status, rows[i].status);
        assert_null(kept_text().ptr);
    }
}

/* The read has its rows, the write comes, and only then would the read keep what is old now. */
static void test_what_is_older_than_a_write_is_not_kept(void **state)
{
    (void)state;
    struct reading asked;
    begin(&asked, "SELECT v FROM t WHERE id = ? AND SLEEP(0.2) = 0", 1, STR("0"));
    while (strcmp(req.task.state, "mysql") != 0) {
        rig_turn(&rig);
    }
    cached_forget(&cached, STR("test"));
    wait_for(&asked);
    assert_string_equal(asked.text, "10");
    assert_int_equal(kept_text().ptr[0], 'f');
    read_as("SELECT 11, ?", 1, "11");
    assert_true(str_equal(kept_text(), STR("v11")));
}

static void test_each_write_has_a_fence_of_its_own(void **state)
{
    (void)state;
    cached_forget(&cached, STR("test"));
    const struct str first = kept_text();
    cached_forget(&cached, STR("test"));
    assert_false(str_equal(first, kept_text()));
}

static void test_nothing_is_kept_for_longer(void **state)
{
    (void)state;
    const struct str args[] = {STR("EVAL"), STR("return tostring(redis.call('PTTL', KEYS[1]))"),
                               STR("1"), STR("toq:test")};
    uint64_t left_ms;
    read_as(NUMBER, 1, "10");
    assert_true(str_parse_u64(say(&node, args, ARRAY_COUNT(args)), TTL_MS, &left_ms));
    cached_forget(&cached, STR("test"));
    assert_true(str_parse_u64(say(&node, args, ARRAY_COUNT(args)), TTL_MS, &left_ms));
}

/* It took longer to read than it may be kept. */
static void test_what_is_too_old_already_is_not_kept(void **state)
{
    (void)state;
    cached.ttl_ms = 1;
    read_as("SELECT v FROM t WHERE id = ? AND SLEEP(0.05) = 0", 1, "10");
    assert_null(kept_text().ptr);
}

static void test_without_a_time_nothing_is_kept(void **state)
{
    (void)state;
    cached.ttl_ms = 0;
    read_as(NUMBER, 1, "10");
    cached_forget(&cached, STR("test"));
    assert_null(kept_text().ptr);
}

static void test_of_a_name_that_is_too_long_nothing_is_kept(void **state)
{
    (void)state;
    static char name[NAME_REST_MAX + 1];
    for (int i = 0; i < 2; i++) {
        struct reading reading = {0};
        char wanted[12];
        mariadb_execute(&db, "UPDATE t SET v = v + 1");
        (void)snprintf(wanted, sizeof(wanted), "%d", 11 + i);
        cached_ask(&cached, task_make_ref(&req.task),
                   &(struct cached_value){.name = {name, sizeof(name)},
                                          .statement = SQL_READ("test.read", NUMBER, sql_i64(1))},
                   on_value, &reading);
        wait_for(&reading);
        assert_string_equal(reading.text, wanted);
    }
    cached_forget(&cached, (struct str){name, sizeof(name)});
}

static void test_what_lies_there_and_is_none_of_ours_is_left_alone(void **state)
{
    (void)state;
    const struct str args[] = {STR("SET"), STR("toq:test"), STR("something else, of somebody's")};
    (void)say(&node, args, ARRAY_COUNT(args));
    read_as(NUMBER, 1, "10");
    assert_true(str_equal(kept_text(), args[2]));
}

static void test_without_redis_mysql_is_asked_each_time(void **state)
{
    (void)state;
    read_as(NUMBER, 1, "10");
    redis_stop();
    while (redis_get_health(node.redis).is_ready) {
        rig_turn(&rig);
    }
    mariadb_execute(&db, "UPDATE t SET v = 11");
    cached_forget(&cached, STR("test")); /* in vain */
    read_as(NUMBER, 1, "11");
    struct reading asked;
    forget_then(&asked); /* in vain, and it goes on */
    wait_for(&asked);
}

static void test_a_cancel_gives_it_up(void **state)
{
    (void)state;
    struct reading asked;
    begin(&asked, NUMBER, 1, STR("0"));
    task_cancel(&req.task, UV_ETIMEDOUT);
    wait_for(&asked);
    assert_int_equal(asked.status, UV_ECANCELED);
    assert_true(task_rig.is_freed);
}

static void test_for_a_request_that_has_ended(void **state)
{
    (void)state;
    struct reading asked = {0};
    const struct task_ref ref = task_make_ref(&req.task);
    task_end(&req.task);
    cached_ask(&cached, ref,
               &(struct cached_value){.name = STR("test"),
                                      .statement = SQL_READ("test.read", NUMBER, sql_i64(1))},
               on_value, &asked);
    assert_int_equal(asked.done_count, 1);
    assert_int_equal(asked.status, UV_ECANCELED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_node, tear_down_node)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_value_is_kept_until_it_is_forgotten),
        TEST(test_who_forgets_goes_on_when_redis_has),
        TEST(test_what_a_client_that_has_left_wrote_is_forgotten),
        TEST(test_numbers_and_texts),
        TEST(test_a_row_that_is_missing),
        TEST(test_what_is_no_value),
        TEST(test_what_is_older_than_a_write_is_not_kept),
        TEST(test_each_write_has_a_fence_of_its_own),
        TEST(test_nothing_is_kept_for_longer),
        TEST(test_what_is_too_old_already_is_not_kept),
        TEST(test_without_a_time_nothing_is_kept),
        TEST(test_of_a_name_that_is_too_long_nothing_is_kept),
        TEST(test_what_lies_there_and_is_none_of_ours_is_left_alone),
        TEST(test_without_redis_mysql_is_asked_each_time),
        TEST(test_a_cancel_gives_it_up),
        TEST(test_for_a_request_that_has_ended),
    };
    return cmocka_run_group_tests_name("cached", tests, set_up_tables, tear_down_servers);
}
