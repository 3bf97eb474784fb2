/* SPDX-License-Identifier: MIT
 *
 * test_sql_tx.c - transactions: all or nothing, run anew after a deadlock, given up in every state.
 */
#include "core/sql/sql_tx.h"
#include "test/unit/sql/sql_rig.h"

#define STEPS_MAX 4

/* A transaction that runs the statements one after the other and then commits. */
struct script {
    struct sql_tx tx;
    struct asked step;
    const char *texts[STEPS_MAX + 1];
    size_t next;
    int rollback_status; /* roll back with it in place of the commit; 0: commit */
    bool must_stop;      /* keep still after the last statement */
    unsigned run_count;
    unsigned done_count;
    size_t answered; /* statements that ended well */
};

static int set_up_server(void **state)
{
    (void)state;
    mariadb_create(&db, NULL);
    mariadb_execute(&db, "CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB");
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    mariadb_execute(&db, "TRUNCATE TABLE t");
    mariadb_execute(&db, "INSERT INTO t VALUES (1, 0), (2, 0)");
    struct sql_options options = mariadb_options(&db);
    options.max_connections = 2;
    rig_open(&rig, &options);
    return 0;
}

static void take_step(struct script *script);

static void on_step_done(struct sql_query *query)
{
    struct script *script = query->arg;
    if (query->result.status < 0) {
        sql_tx_rollback(&script->tx, query->result.status);
        return;
    }
    script->answered++;
    take_step(script);
}

static void take_step(struct script *script)
{
    const char *text = script->texts[script->next];
    if (text == NULL) {
        if (script->rollback_status < 0) {
            sql_tx_rollback(&script->tx, script->rollback_status);
        } else if (!script->must_stop) {
            sql_tx_commit(&script->tx);
        }
        return;
    }
    script->next++;
    script->step.query =
        (struct sql_query){.text = str_from(text), .on_done = on_step_done, .arg = script};
    const int rc = sql_tx_query(&script->tx, &script->step.query);
    if (rc < 0) {
        sql_tx_rollback(&script->tx, rc);
    }
}

static void run(struct sql_tx *tx)
{
    struct script *script = CONTAINER_OF(tx, struct script, tx);
    script->run_count++;
    script->next = 0;
    take_step(script);
}

static void on_done(struct sql_tx *tx)
{
    struct script *script = CONTAINER_OF(tx, struct script, tx);
    script->done_count++;
    loop_stop(rig.loop);
}

static void start(struct script *script, uint64_t timeout_ms)
{
    script->tx = (struct sql_tx){.run = run, .on_done = on_done, .timeout_ms = timeout_ms};
    assert_int_equal(sql_tx_start(rig.sql, &script->tx), 0);
    assert_int_equal(script->run_count, 0);
}

static int finish(struct script *script)
{
    while (script->done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(script->done_count, 1);
    return script->tx.status;
}

static void turn_until_answered(struct script *script, size_t answered)
{
    while (script->answered < answered) {
        rig_turn(&rig);
    }
}

static long sum(void)
{
    return mariadb_number(&db, "SELECT SUM(v) FROM t");
}

static void assert_pool_is_whole(uint64_t lost)
{
    execute(&rig, "SELECT 1");
    while (sql_get_stats(rig.sql).idle != sql_get_stats(rig.sql).open) {
        rig_turn(&rig); /* the server is being told what to stop */
    }
    assert_int_equal(sql_get_stats(rig.sql).lost, lost);
}

static void test_commit(void **state)
{
    (void)state;
    struct script script = {
        .texts = {"UPDATE t SET v = 1 WHERE id = 1", "UPDATE t SET v = 2 WHERE id = 2"}};
    start(&script, 0);
    turn_until_answered(&script, 1);
    assert_int_equal(sum(), 0); /* nobody sees half of it */
    assert_int_equal(finish(&script), 0);
    assert_int_equal(sum(), 3);
    assert_int_equal(script.run_count, 1);
    assert_pool_is_whole(0);
}

static void test_rollback(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1"}, .rollback_status = UV_EPERM};
    start(&script, 0);
    assert_int_equal(finish(&script), UV_EPERM);
    assert_int_equal(sum(), 0);
    assert_pool_is_whole(0);
}

static void test_an_error_is_handed_over(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1", "INSERT INTO t VALUES (1, 1)"}};
    start(&script, 0);
    assert_int_equal(finish(&script), UV_EEXIST);
    assert_int_equal(script.tx.error.code, 1062);
    assert_string_equal(script.tx.error.sqlstate, "23000");
    assert_int_equal(sum(), 0);
    assert_pool_is_whole(0);
}

static void test_transactions_wait_for_connections(void **state)
{
    (void)state;
    struct script scripts[5] = {0};
    for (size_t i = 0; i < ARRAY_COUNT(scripts); i++) {
        scripts[i].texts[0] = "UPDATE t SET v = v + 1 WHERE id = 1";
        start(&scripts[i], 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(scripts); i++) {
        assert_int_equal(finish(&scripts[i]), 0);
    }
    assert_int_equal(sum(), 5);
    assert_pool_is_whole(0);
}

/* Each takes one row and then wants the other's: the server ends one of them. */
static void test_a_deadlock_is_run_anew(void **state)
{
    (void)state;
    struct script a = {.texts = {"UPDATE t SET v = v + 1 WHERE id = 1", "SELECT SLEEP(0.2)",
                                 "UPDATE t SET v = v + 1 WHERE id = 2"}};
    struct script b = {.texts = {"UPDATE t SET v = v + 10 WHERE id = 2", "SELECT SLEEP(0.2)",
                                 "UPDATE t SET v = v + 10 WHERE id = 1"}};
    start(&a, 0);
    start(&b, 0);
    assert_int_equal(finish(&a), 0);
    assert_int_equal(finish(&b), 0);
    assert_int_equal(sum(), 22); /* each exactly once */
    assert_int_equal(a.run_count + b.run_count, 3);
    assert_int_equal(sql_get_stats(rig.sql).deadlock_retries, 1);
    assert_pool_is_whole(0);
}

static void test_a_deadlock_that_stays_is_an_error(void **state)
{
    (void)state;
    struct script script = {
        .texts = {"UPDATE t SET v = v + 1 WHERE id = 1",
                  "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'deadlock'"}};
    start(&script, 0);
    assert_int_equal(finish(&script), UV_ECONNABORTED);
    assert_int_equal(script.run_count, SQL_TRIES);
    assert_int_equal(script.tx.error.code, 1213);
    assert_int_equal(sum(), 0);
    assert_pool_is_whole(0);
}

static void test_a_deadline_while_it_executes(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1", "SELECT SLEEP(1000)"}};
    start(&script, 300);
    assert_int_equal(finish(&script), UV_ETIMEDOUT);
    assert_pool_is_whole(1);
    while (mariadb_number(&db, "SELECT COUNT(*) FROM information_schema.innodb_trx") != 0) {
        mariadb_sleep_ms(150); /* a table that InnoDB renews when nobody has read it for 100 ms */
    }
    assert_int_equal(sum(), 0);
}

static void test_a_deadline_between_queries(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1"}, .must_stop = true};
    start(&script, 300);
    assert_int_equal(finish(&script), UV_ETIMEDOUT);
    assert_pool_is_whole(1);
    assert_int_equal(sum(), 0);
}

static void cancel_and_look(struct script *script, uint64_t lost)
{
    sql_tx_cancel(&script->tx);
    memset(&script->tx, 0xAA, sizeof(script->tx)); /* nobody touches it any more */
    memset(&script->step, 0xAA, sizeof(script->step));
    assert_pool_is_whole(lost);
    assert_int_equal(script->done_count, 0);
    assert_int_equal(sum(), 0);
}

static void test_a_cancel_before_it_begins(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1"}};
    start(&script, 0);
    cancel_and_look(&script, 0);
}

static void test_a_cancel_while_it_executes(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1", "SELECT SLEEP(1000)"}};
    start(&script, 0);
    turn_until_answered(&script, 1);
    cancel_and_look(&script, 1);
}

static void test_a_cancel_between_queries(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1"}, .must_stop = true};
    start(&script, 0);
    turn_until_answered(&script, 1);
    cancel_and_look(&script, 1);
}

static void test_a_cancel_in_the_pause_before_a_retry(void **state)
{
    (void)state;
    struct script script = {
        .texts = {"UPDATE t SET v = v + 1 WHERE id = 1",
                  "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'deadlock'"}};
    start(&script, 0);
    while (sql_get_stats(rig.sql).deadlock_retries == 0) {
        rig_turn(&rig);
    }
    cancel_and_look(&script, 1);
}

static void test_a_lost_connection_is_an_error(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1", "SELECT SLEEP(1000)"}};
    start(&script, 0);
    long id = -1;
    while (id < 0) {
        (void)uv_run(loop_uv(rig.loop), UV_RUN_NOWAIT);
        id = mariadb_executing(&db, "SELECT SLEEP(1000)");
    }
    mariadb_kill(&db, "CONNECTION", id);
    assert_int_equal(finish(&script), UV_ECONNRESET);
    assert_int_equal(script.run_count, 1);
    assert_pool_is_whole(1);
    assert_int_equal(sum(), 0);
}

static void test_a_connection_lost_between_queries(void **state)
{
    (void)state;
    struct script script = {.texts = {"UPDATE t SET v = 1"}, .must_stop = true};
    start(&script, 0);
    turn_until_answered(&script, 1);
    mariadb_execute(&db, "BEGIN NOT ATOMIC SET @id = (SELECT trx_mysql_thread_id "
                         "FROM information_schema.innodb_trx LIMIT 1); KILL @id; END");
    while (sql_get_stats(rig.sql).lost == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(script.done_count, 0); /* it is told with its next step */
    sql_tx_commit(&script.tx);
    assert_int_equal(script.done_count, 0);
    assert_int_equal(finish(&script), UV_ECONNRESET);
    assert_pool_is_whole(1);
    assert_int_equal(sum(), 0);
}

static void test_closing_the_pool_ends_it(void **state)
{
    (void)state;
    struct script running = {.texts = {"UPDATE t SET v = 1", "SELECT SLEEP(1000)"}};
    struct script still = {.texts = {"SELECT 1"}, .must_stop = true};
    struct script waiting = {.texts = {"UPDATE t SET v = 1"}};
    set_up(state);
    start(&running, 0);
    start(&still, 0);
    start(&waiting, 0);
    turn_until_answered(&running, 1);
    turn_until_answered(&still, 1);
    rig_close(&rig);
    assert_int_equal(finish(&running), UV_ECANCELED);
    assert_int_equal(finish(&still), UV_ECANCELED);
    assert_int_equal(finish(&waiting), UV_ECANCELED);
    assert_int_equal(sum(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_commit),
        TEST(test_rollback),
        TEST(test_an_error_is_handed_over),
        TEST(test_transactions_wait_for_connections),
        TEST(test_a_deadlock_is_run_anew),
        TEST(test_a_deadlock_that_stays_is_an_error),
        TEST(test_a_deadline_while_it_executes),
        TEST(test_a_deadline_between_queries),
        TEST(test_a_cancel_before_it_begins),
        TEST(test_a_cancel_while_it_executes),
        TEST(test_a_cancel_between_queries),
        TEST(test_a_cancel_in_the_pause_before_a_retry),
        TEST(test_a_lost_connection_is_an_error),
        TEST(test_a_connection_lost_between_queries),
        cmocka_unit_test(test_closing_the_pool_ends_it),
    };
    return cmocka_run_group_tests_name("sql_tx", tests, set_up_server, tear_down_server);
}
