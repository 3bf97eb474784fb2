/* SPDX-License-Identifier: MIT
 *
 * test_sql_pool.c - who gets a connection and when; deadlines and cancels in every phase.
 *
 * Tests: core/sql/sql_open.c, core/sql/sql_query.c
 */
#include "test/unit/sql/sql_rig.h"

static void open_pool(size_t max_connections)
{
    struct sql_options options = mariadb_options(&db);
    options.max_connections = max_connections;
    options.max_waiters = 8;
    rig_open(&rig, &options);
}

/* count_server tells how many connections of pools the server has, the admin's left out. */
static long count_server(void)
{
    return mariadb_number(&db, "SELECT COUNT(*) FROM information_schema.processlist "
                               "WHERE db = 'toq' AND host LIKE '127.0.0.1%'");
}

/* count_running tells how many of them execute a statement with this text in it. */
static long count_running(const char *part)
{
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "SELECT COUNT(*) FROM information_schema.processlist "
                   "WHERE command = 'Execute' AND info LIKE '%%%s%%'",
                   part);
    return mariadb_number(&db, text);
}

/* turn_until_running turns the loop until the server executes the statement. */
static void turn_until_running(const char *part, long count)
{
    while (count_running(part) != count) {
        (void)uv_run(loop_uv(rig.loop), UV_RUN_NOWAIT);
    }
}

static void turn_until_idle(size_t idle)
{
    while (sql_get_stats(rig.sql).idle != idle) {
        rig_turn(&rig);
    }
}

/* --- the queue --- */

static char order[16];

static void note_order(struct sql_query *query)
{
    asked_on_done(query);
    order[strlen(order)] = *(const char *)query->arg;
}

static void ask_noted(struct asked *asked, const char *text, char *name)
{
    ask_init(&rig, asked, text);
    asked->query.on_done = note_order;
    asked->query.arg = name;
    assert_int_equal(sql_query_start(rig.sql, &asked->query), 0);
}

static void test_waiters_are_served_in_order(void **state)
{
    (void)state;
    open_pool(1);
    memset(order, 0, sizeof(order));
    static char names[] = "abcdef";
    struct asked asked[6];
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        ask_noted(&asked[i], "SELECT 1", &names[i]);
    }
    assert_int_equal(sql_get_stats(rig.sql).waiters, 6);
    await(&rig, &asked[5]);
    assert_string_equal(order, "abcdef");
    assert_int_equal(sql_get_stats(rig.sql).connects, 1);
    assert_int_equal(sql_get_stats(rig.sql).waits, 6);
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        forget(&asked[i]);
    }
}

static void test_a_full_queue_refuses(void **state)
{
    (void)state;
    open_pool(1);
    struct asked asked[9];
    for (size_t i = 0; i < 8; i++) {
        ask(&rig, &asked[i], "SELECT 1");
    }
    ask_init(&rig, &asked[8], "SELECT 1");
    assert_int_equal(sql_query_start(rig.sql, &asked[8].query), UV_EBUSY);
    assert_int_equal(sql_get_stats(rig.sql).refusals, 1);
    await(&rig, &asked[7]);
    assert_int_equal(asked[8].done_count, 0);
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        forget(&asked[i]);
    }
}

static void test_a_pool_grows_to_its_maximum(void **state)
{
    (void)state;
    open_pool(3);
    struct asked asked[5];
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        ask(&rig, &asked[i], "SELECT SLEEP(0.2)");
    }
    turn_until_running("SLEEP", 3);
    assert_int_equal(sql_get_stats(rig.sql).waiters, 2);
    await(&rig, &asked[4]);
    turn_until_idle(3);
    assert_int_equal(count_server(), 3);
    assert_int_equal(sql_get_stats(rig.sql).connects, 3);
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        assert_int_equal(asked[i].query.result.status, 0);
        forget(&asked[i]);
    }
}

static int64_t connection_id(void)
{
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "SELECT CONNECTION_ID(), SLEEP(0.01)", NULL, 0), 0);
    const int64_t id = asked.query.result.rows->values[0].i64;
    forget(&asked);
    return id;
}

static void test_the_last_used_connection_is_used_next(void **state)
{
    (void)state;
    open_pool(2);
    struct asked both[2];
    ask(&rig, &both[0], "SELECT SLEEP(0.1)");
    ask(&rig, &both[1], "SELECT SLEEP(0.1)");
    await(&rig, &both[0]);
    turn_until_idle(2);
    const int64_t id = connection_id();
    for (int i = 0; i < 5; i++) {
        assert_true(connection_id() == id);
    }
    forget(&both[0]);
    forget(&both[1]);
}

static void test_min_idle_is_kept(void **state)
{
    (void)state;
    struct sql_options options = mariadb_options(&db);
    options.min_idle = 2;
    rig_open(&rig, &options);
    turn_until_idle(2);
    char text[64];
    (void)snprintf(text, sizeof(text), "KILL %ld", (long)connection_id());
    mariadb_execute(&db, text);
    while (sql_get_stats(rig.sql).connects != 3) {
        rig_turn(&rig);
    }
    turn_until_idle(2);
    assert_int_equal(sql_get_stats(rig.sql).lost, 1);
}

static void test_old_connections_are_replaced(void **state)
{
    (void)state;
    struct sql_options options = mariadb_options(&db);
    options.max_lifetime_ms = 1;
    rig_open(&rig, &options);
    const int64_t id = connection_id();
    assert_true(connection_id() != id);
    assert_true(sql_get_stats(rig.sql).max_lifetime_closed >= 1);
    assert_int_equal(sql_get_stats(rig.sql).lost, 0);
}

static void test_idle_connections_are_closed(void **state)
{
    (void)state;
    struct sql_options options = mariadb_options(&db);
    options.max_idle_ms = 1;
    options.ping_ms = 100000;
    rig_open(&rig, &options);
    execute(&rig, "SELECT 1");
    while (sql_get_stats(rig.sql).max_idle_closed != 1) {
        rig_turn(&rig);
    }
    assert_int_equal(sql_get_stats(rig.sql).open, 0);
    execute(&rig, "SELECT 1");
}

static void test_a_session_in_a_transaction_is_not_handed_on(void **state)
{
    (void)state;
    open_pool(1);
    execute(&rig, "START TRANSACTION");
    assert_int_equal(sql_get_stats(rig.sql).lost, 1);
    struct asked asked;
    assert_int_equal(answer_with(&rig, &asked, "SELECT @@in_transaction", NULL, 0), 0);
    assert_int_equal(asked.query.result.rows->values[0].i64, 0);
    forget(&asked);
}

/* --- deadlines --- */

static void test_a_deadline_in_the_queue(void **state)
{
    (void)state;
    open_pool(1);
    struct asked busy;
    struct asked late;
    /* It waits for a lock that this test holds: as long as the machine takes. */
    assert_int_equal(mariadb_number(&db, "SELECT GET_LOCK('busy', 0)"), 1);
    ask(&rig, &busy, "SELECT GET_LOCK('busy', 1000)");
    turn_until_running("GET_LOCK", 1);
    ask_init(&rig, &late, "SELECT 1");
    late.query.timeout_ms = 100;
    assert_int_equal(sql_query_start(rig.sql, &late.query), 0);
    await(&rig, &late);
    assert_int_equal(late.query.result.status, UV_ETIMEDOUT);
    assert_int_equal(busy.done_count, 0);
    assert_int_equal(mariadb_number(&db, "SELECT RELEASE_LOCK('busy')"), 1);
    await(&rig, &busy);
    assert_int_equal(busy.query.result.status, 0);
    assert_int_equal(sql_get_stats(rig.sql).lost, 0);
    assert_int_equal(sql_get_stats(rig.sql).timeouts, 1);
    forget(&busy);
    forget(&late);
}

static void test_a_deadline_while_it_executes(void **state)
{
    (void)state;
    open_pool(1);
    struct asked asked;
    ask_init(&rig, &asked, "SELECT SLEEP(1000)");
    asked.query.timeout_ms = 300;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    await(&rig, &asked);
    assert_int_equal(asked.query.result.status, UV_ETIMEDOUT);
    forget(&asked);
    execute(&rig, "SELECT 1");      /* the slot is free again */
    turn_until_running("SLEEP", 0); /* and the server has been told to stop */
    assert_int_equal(sql_get_stats(rig.sql).connects, 2);
}

/* --- cancels --- */

static void cancel_and_forget(struct asked *asked)
{
    sql_query_cancel(&asked->query);
    forget(asked); /* its memory is ours from now on: a sanitizer sees who touches it */
    memset(&asked->query, 0xAA, sizeof(asked->query));
    execute(&rig, "SELECT 1");
    assert_int_equal(asked->done_count, 0);
}

static void test_a_cancel_before_there_is_a_connection(void **state)
{
    (void)state;
    open_pool(1);
    struct asked asked;
    ask(&rig, &asked, "SELECT 1");
    cancel_and_forget(&asked);
}

static void test_a_cancel_in_the_queue(void **state)
{
    (void)state;
    open_pool(1);
    struct asked busy;
    struct asked queued;
    ask(&rig, &busy, "SELECT SLEEP(0.2)");
    turn_until_running("SLEEP", 1);
    ask(&rig, &queued, "SELECT 1");
    cancel_and_forget(&queued);
    await(&rig, &busy);
    assert_int_equal(sql_get_stats(rig.sql).lost, 0);
    forget(&busy);
}

static void test_a_cancel_while_it_prepares(void **state)
{
    (void)state;
    open_pool(1);
    execute(&rig, "SELECT 1");
    struct asked asked;
    ask(&rig, &asked, "SELECT 2"); /* written, and unless the server was very quick not read */
    cancel_and_forget(&asked);
}

static void test_a_cancel_while_it_executes(void **state)
{
    (void)state;
    open_pool(1);
    struct asked asked;
    ask(&rig, &asked, "SELECT SLEEP(1000)");
    turn_until_running("SLEEP", 1);
    cancel_and_forget(&asked);
    turn_until_running("SLEEP", 0);
}

static void test_a_cancel_while_it_fetches(void **state)
{
    (void)state;
    open_pool(1);
    struct asked asked;
    ask_init(&rig, &asked, "SELECT seq, SLEEP(seq > 3) FROM seq_1_to_1000");
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    asked.query.max_bytes = 1 << 20;
    turn_until_running("seq_1_to_1000", 1);
    cancel_and_forget(&asked);
    turn_until_running("seq_1_to_1000", 0);
}

static void test_a_cancel_between_chunks_of_a_large_row(void **state)
{
    (void)state;
    open_pool(1);
    struct asked asked;
    ask(&rig, &asked, "SELECT REPEAT('x', 8000000)");
    while (sql_get_stats(rig.sql).prepares == 0) {
        (void)uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    }
    for (int i = 0; i < 3; i++) { /* a few reads of many */
        (void)uv_run(loop_uv(rig.loop), UV_RUN_NOWAIT);
    }
    cancel_and_forget(&asked);
}

static void test_a_cancel_while_a_large_parameter_is_sent(void **state)
{
    (void)state;
    open_pool(1);
    execute(&rig, "SELECT 1");
    struct asked asked;
    char *text = calloc(1, 8u << 20);
    const struct sql_value param = sql_blob((struct str){text, 8u << 20});
    ask_init(&rig, &asked, "SELECT LENGTH(?)");
    asked.query.params = &param;
    asked.query.param_count = 1;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    const uint64_t prepares = sql_get_stats(rig.sql).prepares;
    while (sql_get_stats(rig.sql).prepares == prepares) {
        (void)uv_run(loop_uv(rig.loop), UV_RUN_ONCE);
    }
    sql_query_cancel(&asked.query);
    free(text);
    forget(&asked);
    execute(&rig, "SELECT 1");
}

static struct asked *to_cancel;
static unsigned done_when_cancelled;

static void cancel_other(struct sql_query *query)
{
    asked_on_done(query);
    done_when_cancelled = to_cancel->done_count;
    sql_query_cancel(&to_cancel->query);
}

static void test_a_cancel_of_a_query_that_has_just_ended(void **state)
{
    (void)state;
    open_pool(2);
    struct asked asked[2];
    execute(&rig, "SELECT 1");
    ask_init(&rig, &asked[0], "SELECT 1");
    asked[0].query.on_done = cancel_other;
    to_cancel = &asked[1];
    assert_int_equal(sql_query_start(rig.sql, &asked[0].query), 0);
    ask(&rig, &asked[1], "SELECT 1");
    await(&rig, &asked[0]);
    execute(&rig, "SELECT 1");
    assert_int_equal(asked[1].done_count, done_when_cancelled);
    sql_query_cancel(&asked[1].query); /* harmless once more */
    forget(&asked[0]);
    forget(&asked[1]);
}

/* --- tasks --- */

static struct task task;
static struct task *task_in_callback;

static void note_task(struct sql_query *query)
{
    task_in_callback = task_current();
    asked_on_done(query);
}

static void test_a_task_is_parked_and_current_again(void **state)
{
    (void)state;
    open_pool(1);
    struct asked asked;
    assert_int_equal(task_start(&task, "test", 1, NULL), 0);
    ask_init(&rig, &asked, "SELECT SLEEP(0.1)");
    asked.query.task = &task;
    asked.query.on_done = note_task;
    assert_int_equal(sql_query_start(rig.sql, &asked.query), 0);
    assert_string_equal(task.state, "mysql pool");
    assert_true(task.await_depth > 0);
    turn_until_running("SLEEP", 1);
    assert_string_equal(task.state, "mysql");
    assert_null(task_current());
    await(&rig, &asked);
    assert_ptr_equal(task_in_callback, &task);
    assert_string_equal(task.state, "waiting");
    assert_null(task_current());
    task_end(&task);
    forget(&asked);
}

/* --- the end --- */

static void test_closing_ends_everything(void **state)
{
    (void)state;
    open_pool(1);
    struct asked running;
    struct asked queued;
    struct asked late;
    ask(&rig, &running, "SELECT SLEEP(1000)");
    turn_until_running("SLEEP", 1);
    ask(&rig, &queued, "SELECT 1");
    sql_close(rig.sql, rig_on_closed, &rig);
    assert_int_equal(running.done_count, 0); /* not from inside sql_close */
    ask_init(&rig, &late, "SELECT 1");
    assert_int_equal(sql_query_start(rig.sql, &late.query), UV_ECANCELED);
    while (!rig.is_closed) {
        rig_turn(&rig);
    }
    assert_int_equal(running.done_count, 1);
    assert_int_equal(running.query.result.status, UV_ECANCELED);
    assert_int_equal(queued.done_count, 1);
    assert_int_equal(queued.query.result.status, UV_ECANCELED);
    forget(&running);
    forget(&queued);
    uv_close((uv_handle_t *)&rig.guard, NULL);
    loop_destroy(rig.loop);
}

static void test_closing_at_once(void **state)
{
    (void)state;
    open_pool(4);
    rig_close(&rig); /* nothing was asked */
    struct sql_options options = mariadb_options(&db);
    options.min_idle = 4;
    rig_open(&rig, &options); /* connections are being made */
    rig_close(&rig);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_waiters_are_served_in_order),
        TEST(test_a_full_queue_refuses),
        TEST(test_a_pool_grows_to_its_maximum),
        TEST(test_the_last_used_connection_is_used_next),
        TEST(test_min_idle_is_kept),
        TEST(test_old_connections_are_replaced),
        TEST(test_idle_connections_are_closed),
        TEST(test_a_session_in_a_transaction_is_not_handed_on),
        TEST(test_a_deadline_in_the_queue),
        TEST(test_a_deadline_while_it_executes),
        TEST(test_a_cancel_before_there_is_a_connection),
        TEST(test_a_cancel_in_the_queue),
        TEST(test_a_cancel_while_it_prepares),
        TEST(test_a_cancel_while_it_executes),
        TEST(test_a_cancel_while_it_fetches),
        TEST(test_a_cancel_between_chunks_of_a_large_row),
        TEST(test_a_cancel_while_a_large_parameter_is_sent),
        TEST(test_a_cancel_of_a_query_that_has_just_ended),
        TEST(test_a_task_is_parked_and_current_again),
        cmocka_unit_test(test_closing_ends_everything),
        cmocka_unit_test(test_closing_at_once),
    };
    return cmocka_run_group_tests_name("sql_pool", tests, set_up_plain_server, tear_down_server);
}
