/* SPDX-License-Identifier: MIT
 *
 * test_sql_ask.c - statements and transactions for a task: each callback once, whatever ends them.
 *
 * Tests: core/sql/sql_rows.c
 */
#include "core/sql/sql_ask.h"
#include "core/sql/sql_rows.h"
#include "test/unit/sql/sql_rig.h"
#include "test/unit/support/task_rig.h"

/* What one ask brought. */
struct brought {
    unsigned done_count;
    int status;
    int64_t number;
    char text[32];
    struct task *current; /* meanwhile */
    unsigned run_count;   /* of a transaction */
};

static struct task task;

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
    const struct sql_options options = mariadb_options(&db);
    mariadb_execute(&db, "TRUNCATE TABLE t");
    rig_open(&rig, &options);
    task_rig_start(&task, NULL);
    return 0;
}

static int tear_down(void **state)
{
    task_end(&task);
    assert_true(task_rig.is_freed);
    return close_rig(state);
}

static void note(struct brought *brought, int status)
{
    brought->done_count++;
    brought->status = status;
    brought->current = task_current();
}

static void on_asked(void *arg, const struct sql_result *result)
{
    struct brought *brought = arg;
    struct sql_rows rows = sql_rows_of(result);
    note(brought, result->status);
    if (result->column_count == 2 && sql_rows_next(&rows)) {
        brought->number = sql_rows_i64(&rows);
        const struct str text = sql_rows_text(&rows);
        (void)snprintf(brought->text, sizeof(brought->text), "%" STR_FMT, STR_ARG(text));
        assert_int_equal(rows.status, 0);
    }
}

static void turn_until_done(const struct brought *brought)
{
    while (brought->done_count == 0) {
        rig_turn(&rig);
    }
}

static const struct sql_statement slow = {.name = "test.slow", .text = "SELECT SLEEP(30)"};

static void test_parameters_are_copied(void **state)
{
    (void)state;
    struct brought brought = {0};
    char text[] = "Ana";
    struct sql_value params[] = {sql_i64(7), sql_text(str_from(text))};
    sql_ask(rig.sql, task_make_ref(&task),
            &(struct sql_statement){
                .name = "test.copy", .text = "SELECT ?, ?", .params = params, .count = 2},
            on_asked, &brought);
    memset(text, 'x', sizeof(text) - 1);
    memset(params, 0, sizeof(params));
    assert_int_equal(brought.done_count, 0);
    turn_until_done(&brought);
    assert_int_equal(brought.status, 0);
    assert_int_equal(brought.number, 7);
    assert_string_equal(brought.text, "Ana");
    assert_ptr_equal(brought.current, &task);
    assert_int_equal(task.holds, 0);
}

static void test_an_ask_of_nobody(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_ask(rig.sql, (struct task_ref){0}, &(struct sql_statement){.text = "SELECT 1, 'a'"},
            on_asked, &brought);
    turn_until_done(&brought);
    assert_int_equal(brought.number, 1);
    assert_null(brought.current);
}

static void test_a_failure_is_told(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_ask(rig.sql, task_make_ref(&task),
            &(struct sql_statement){.text = "SELECT nonsense FROM t"}, on_asked, &brought);
    turn_until_done(&brought);
    assert_int_equal(brought.status, UV_EIO);
}

/* Too many parameters: nothing is begun, and on_done says so, later. */
static void test_a_refusal_is_told_as_well(void **state)
{
    (void)state;
    static struct sql_value params[SQL_PARAMS_MAX + 1];
    struct brought brought = {0};
    sql_ask(
        rig.sql, task_make_ref(&task),
        &(struct sql_statement){.text = "SELECT 1", .params = params, .count = ARRAY_COUNT(params)},
        on_asked, &brought);
    assert_int_equal(brought.done_count, 0);
    assert_int_equal(task.holds, 1);
    turn_until_done(&brought);
    assert_int_equal(brought.status, UV_EINVAL);
    assert_ptr_equal(brought.current, &task);
    assert_int_equal(task.holds, 0);
}

static void test_a_cancel_gives_all_up(void **state)
{
    (void)state;
    struct brought asked[3] = {{0}};
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        sql_ask(rig.sql, task_make_ref(&task), &slow, on_asked, &asked[i]);
    }
    rig_turn(&rig);
    assert_int_equal(task.holds, 3);
    task_cancel(&task, UV_ECANCELED);
    for (size_t i = 0; i < ARRAY_COUNT(asked); i++) {
        assert_int_equal(asked[i].done_count, 1);
        assert_int_equal(asked[i].status, UV_ECANCELED);
    }
    assert_true(task_rig.is_freed); /* nobody holds it any more */
}

static void test_nothing_is_asked_for_what_has_gone(void **state)
{
    (void)state;
    struct brought brought = {0};
    const struct task_ref ref = task_make_ref(&task);
    task_cancel(&task, UV_ECANCELED);
    assert_true(task_rig.is_freed);
    sql_ask(rig.sql, ref, &slow, on_asked, &brought);
    turn_until_done(&brought);
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_null(brought.current);
}

/* One that is cancelled and held asks in vain. */
static void test_nothing_is_asked_for_what_was_cancelled(void **state)
{
    (void)state;
    struct brought brought = {0};
    task_hold(&task);
    task_cancel(&task, UV_ECANCELED);
    assert_false(task_rig.is_freed);
    sql_ask(rig.sql, task_make_ref(&task), &slow, on_asked, &brought);
    turn_until_done(&brought);
    assert_int_equal(brought.status, UV_ECANCELED);
    task_release(&task);
    assert_true(task_rig.is_freed);
}

/* --- transactions --- */

static void on_tx_done(void *arg, int status)
{
    note(arg, status);
}

static void commit(struct sql_tx *tx, void *arg, const struct sql_result *result)
{
    struct brought *brought = arg;
    brought->number += (int64_t)result->affected_rows;
    sql_tx_commit(tx);
}

static void insert_two(struct sql_tx *tx, void *arg, const struct sql_result *result)
{
    struct sql_rows rows = sql_rows_of(result);
    (void)arg;
    assert_true(sql_rows_next(&rows));
    const int64_t id = sql_rows_i64(&rows);
    sql_tx_ask(tx,
               &(struct sql_statement){.name = "test.insert",
                                       .text = "INSERT INTO t VALUES (?, 0), (?, 0)",
                                       .params = (struct sql_value[]){sql_i64(id), sql_i64(id + 1)},
                                       .count = 2},
               commit);
}

static void run(struct sql_tx *tx, void *arg)
{
    struct brought *brought = arg;
    brought->run_count++;
    sql_tx_ask(tx,
               &(struct sql_statement){.name = "test.next", .text = "SELECT 1 + COUNT(*) FROM t"},
               insert_two);
}

static void test_a_transaction(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_tx_begin(rig.sql, task_make_ref(&task), run, on_tx_done, &brought);
    assert_int_equal(brought.run_count, 0);
    turn_until_done(&brought);
    assert_int_equal(brought.status, 0);
    assert_int_equal(brought.number, 2);
    assert_ptr_equal(brought.current, &task);
    assert_int_equal(mariadb_number(&db, "SELECT SUM(id) FROM t"), 3);
}

/* --- what wakes the task --- */

static bool is_leaked(void)
{
    const struct task_facts facts = task_get_facts(&task);
    return task_is_leaked(&facts);
}

static void test_a_statement_wakes_its_task_until_it_has_ended(void **state)
{
    (void)state;
    struct brought brought = {0};
    assert_int_equal(task.wakers.count, 0);
    sql_ask(rig.sql, task_make_ref(&task), &slow, on_asked, &brought);
    assert_int_equal(task.wakers.count, 1);
    assert_false(is_leaked());
    task_cancel(&task, UV_ETIMEDOUT); /* which gives it up */
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_int_equal(task.wakers.count, 0);
}

static struct sql_tx *idle_tx;

static void leave_idle(struct sql_tx *tx, void *arg)
{
    struct brought *brought = arg;
    brought->run_count++;
    idle_tx = tx;
}

/* Between two statements a transaction waits for its handler, and wakes nobody. */
static void test_a_transaction_that_its_handler_forgets_is_leaked(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_tx_begin(rig.sql, task_make_ref(&task), leave_idle, on_tx_done, &brought);
    while (brought.run_count == 0) {
        assert_false(is_leaked());
        rig_turn(&rig);
    }
    task_park(&task, "forgotten");
    assert_true(is_leaked());
    sql_tx_rollback(idle_tx, UV_ECANCELED);
    while (brought.done_count == 0) {
        assert_false(is_leaked());
        rig_turn(&rig);
    }
    assert_int_equal(task.wakers.count, 0);
}

/* The statement's callback does not run; the transaction's says why. */
static void test_a_statement_that_fails_undoes_all(void **state)
{
    (void)state;
    struct brought brought = {0};
    mariadb_execute(&db,
                    "INSERT INTO t VALUES (2, 0)"); /* which 1 + COUNT(*) does not see coming */
    sql_tx_begin(rig.sql, task_make_ref(&task), run, on_tx_done, &brought);
    turn_until_done(&brought);
    assert_int_equal(brought.status, UV_EEXIST);
    assert_int_equal(brought.number, 0);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM t"), 1);
}

static void roll_back(struct sql_tx *tx, void *arg, const struct sql_result *result)
{
    (void)arg;
    (void)result;
    sql_tx_rollback(tx, UV_ENOENT);
}

static void run_to_roll_back(struct sql_tx *tx, void *arg)
{
    (void)arg;
    sql_tx_ask(tx, &(struct sql_statement){.text = "INSERT INTO t VALUES (9, 9)"}, roll_back);
}

static void test_a_rollback_has_its_status(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_tx_begin(rig.sql, task_make_ref(&task), run_to_roll_back, on_tx_done, &brought);
    turn_until_done(&brought);
    assert_int_equal(brought.status, UV_ENOENT);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM t"), 0);
}

static void run_slowly(struct sql_tx *tx, void *arg)
{
    struct brought *brought = arg;
    brought->run_count++;
    sql_tx_ask(tx, &(struct sql_statement){.text = "INSERT INTO t SELECT 5, SLEEP(0.2)"}, commit);
}

static void test_a_cancel_undoes_a_transaction(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_tx_begin(rig.sql, task_make_ref(&task), run_slowly, on_tx_done, &brought);
    while (brought.run_count == 0) {
        rig_turn(&rig);
    }
    task_cancel(&task, UV_ECANCELED);
    assert_int_equal(brought.done_count, 1);
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_true(task_rig.is_freed);
}

static void run_detached(struct sql_tx *tx, void *arg)
{
    run_slowly(tx, arg);
    sql_tx_detach(tx);
}

/* It goes on when its request was cancelled, whose memory stays as long. */
static void test_a_detached_transaction_goes_on(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_tx_begin(rig.sql, task_make_ref(&task), run_detached, on_tx_done, &brought);
    while (brought.run_count == 0) {
        rig_turn(&rig);
    }
    task_cancel(&task, UV_ECANCELED);
    assert_int_equal(brought.done_count, 0);
    assert_false(task_rig.is_freed);
    turn_until_done(&brought);
    assert_int_equal(brought.status, 0);
    assert_true(task_rig.is_freed);
    assert_int_equal(mariadb_number(&db, "SELECT COUNT(*) FROM t WHERE id = 5"), 1);
}

static void test_a_transaction_for_what_has_gone(void **state)
{
    (void)state;
    struct brought brought = {0};
    const struct task_ref ref = task_make_ref(&task);
    task_end(&task);
    sql_tx_begin(rig.sql, ref, run, on_tx_done, &brought);
    turn_until_done(&brought);
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_int_equal(brought.run_count, 0);
}

static void test_the_pool_is_closed_meanwhile(void **state)
{
    (void)state;
    struct brought asked = {0};
    struct brought begun = {0};
    sql_ask(rig.sql, task_make_ref(&task), &slow, on_asked, &asked);
    sql_tx_begin(rig.sql, task_make_ref(&task), run_slowly, on_tx_done, &begun);
    rig_close(&rig);
    assert_int_equal(asked.done_count, 1);
    assert_int_equal(asked.status, UV_ECANCELED);
    assert_int_equal(begun.done_count, 1);
    assert_int_equal(begun.status, UV_ECANCELED);
    assert_int_equal(task.holds, 0);
    const struct sql_options options = mariadb_options(&db);
    rig_open(&rig, &options); /* for tear_down */
}

/* --- rows --- */

static void on_types(void *arg, const struct sql_result *result)
{
    struct sql_rows rows = sql_rows_of(result);
    assert_int_equal(rows.status, 0);
    assert_true(sql_rows_next(&rows));
    assert_int_equal(sql_rows_i64(&rows), -1);
    assert_false(sql_rows_is_null(&rows));
    assert_int_equal(sql_rows_u64(&rows), 2);
    assert_true(sql_rows_is_null(&rows));
    assert_true(sql_rows_f64(&rows) == 1.5);
    assert_true(str_equal(sql_rows_text(&rows), STR("a")));
    assert_true(str_equal(sql_rows_blob(&rows), STR("b")));
    assert_int_equal(sql_rows_datetime(&rows), 86400000000);
    assert_int_equal(rows.status, 0);
    assert_true(str_equal(sql_rows_text(&rows), STR(""))); /* there is no such column */
    assert_int_equal(rows.status, UV_EPROTO);
    assert_false(sql_rows_next(&rows));
    note(arg, 0);
}

static void on_other_types(void *arg, const struct sql_result *result)
{
    struct sql_rows rows = sql_rows_of(result);
    assert_true(sql_rows_next(&rows));
    assert_int_equal(sql_rows_u64(&rows), 0); /* -1 */
    assert_int_equal(rows.status, UV_EPROTO);
    assert_int_equal(sql_rows_i64(&rows), 0);              /* 2^64 - 1 */
    assert_true(str_equal(sql_rows_text(&rows), STR(""))); /* NULL */
    assert_int_equal(sql_rows_i64(&rows), 0);              /* a text */
    assert_int_equal(sql_rows_i64(&rows), 7);              /* others are read all the same */
    note(arg, 0);
}

static void ask_for(const char *text, sql_asked_fn on_done)
{
    struct brought brought = {0};
    sql_ask(rig.sql, task_make_ref(&task), &(struct sql_statement){.text = text}, on_done,
            &brought);
    turn_until_done(&brought);
}

static void test_each_type_is_checked(void **state)
{
    (void)state;
    ask_for("SELECT -1, CAST(2 AS UNSIGNED), NULL, CAST(1.5 AS DOUBLE), 'a', CAST('b' AS BINARY), "
            "CAST('1970-01-02' AS DATE)",
            on_types);
    ask_for("SELECT -1, 18446744073709551615, NULL, 'x', 7", on_other_types);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_parameters_are_copied),
        TEST(test_an_ask_of_nobody),
        TEST(test_a_failure_is_told),
        TEST(test_a_refusal_is_told_as_well),
        TEST(test_a_cancel_gives_all_up),
        TEST(test_nothing_is_asked_for_what_has_gone),
        TEST(test_nothing_is_asked_for_what_was_cancelled),
        TEST(test_a_transaction),
        TEST(test_a_statement_wakes_its_task_until_it_has_ended),
        TEST(test_a_transaction_that_its_handler_forgets_is_leaked),
        TEST(test_a_statement_that_fails_undoes_all),
        TEST(test_a_rollback_has_its_status),
        TEST(test_a_cancel_undoes_a_transaction),
        TEST(test_a_detached_transaction_goes_on),
        TEST(test_a_transaction_for_what_has_gone),
        TEST(test_the_pool_is_closed_meanwhile),
        TEST(test_each_type_is_checked),
    };
    return cmocka_run_group_tests_name("sql_ask", tests, set_up_server, tear_down_server);
}
