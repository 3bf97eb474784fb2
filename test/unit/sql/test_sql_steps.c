/* SPDX-License-Identifier: MIT
 *
 * test_sql_steps.c - transactions as lists of steps: what goes on, what is undone, and what is
 * committed early.
 */
#include "core/sql/sql_ask.h"
#include "test/unit/sql/sql_rig.h"
#include "test/unit/support/task_rig.h"

/* What one transaction brought. */
struct brought {
    unsigned done_count;
    int status;
    unsigned take_count;
    uint64_t number; /* that was taken */
    int answer;      /* take_number's */
};

static struct task task;

static int set_up_server(void **state)
{
    (void)state;
    mariadb_create(&db, NULL);
    mariadb_execute(&db, "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL) ENGINE=InnoDB");
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    const struct sql_options options = mariadb_options(&db);
    mariadb_execute(&db, "DELETE FROM t");
    mariadb_execute(&db, "INSERT INTO t VALUES (1, 10), (2, 20)");
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

static void on_done(void *arg, int status)
{
    struct brought *brought = arg;
    brought->done_count++;
    brought->status = status;
}

static int take_number(void *arg, struct sql_rows *rows)
{
    struct brought *brought = arg;
    brought->take_count++;
    brought->number = sql_rows_u64(rows);
    return brought->answer;
}

static void run(struct brought *brought, const struct sql_steps *steps)
{
    sql_tx_steps(rig.sql, task_make_ref(&task), steps, on_done, brought);
    assert_int_equal(brought->done_count, 0);
    while (brought->done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(task.holds, 0);
}

static int64_t value_of(int id)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "SELECT v FROM t WHERE id = %d", id);
    return mariadb_number(&db, text);
}

#define ADD(id, more)                                                                              \
    SQL_STATEMENT("test.add", "UPDATE t SET v = v + ? WHERE id = ?", sql_i64(more), sql_i64(id))
#define LOCK(id)   SQL_STATEMENT("test.get", "SELECT v FROM t WHERE id = ? FOR UPDATE", sql_i64(id))
#define HAS_ROW    .wants = SQL_WANTS_ROW, .otherwise = UV_ENOENT
#define HAS_CHANGE .wants = SQL_WANTS_CHANGE, .otherwise = UV_ENOSPC

static void test_all_steps_are_committed(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought,
        &SQL_STEPS({.statement = LOCK(1), HAS_ROW, .take = take_number},
                   {.statement = ADD(1, -3), HAS_CHANGE}, {.statement = ADD(2, 3), HAS_CHANGE}));
    assert_int_equal(brought.status, 0);
    assert_int_equal(brought.number, 10);
    assert_int_equal(value_of(1), 7);
    assert_int_equal(value_of(2), 23);
}

static void test_a_row_that_is_missing_undoes_all(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought, &SQL_STEPS({.statement = ADD(1, -3)}, {.statement = LOCK(3), HAS_ROW},
                             {.statement = ADD(2, 3)}));
    assert_int_equal(brought.status, UV_ENOENT);
    assert_int_equal(value_of(1), 10);
    assert_int_equal(value_of(2), 20);
}

static void test_a_change_that_is_missing_undoes_all(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought, &SQL_STEPS({.statement = ADD(1, -3)}, {.statement = ADD(3, 3), HAS_CHANGE}));
    assert_int_equal(brought.status, UV_ENOSPC);
    assert_int_equal(value_of(1), 10);
}

static void test_what_is_wanted_of_nobody_may_be_missing(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought, &SQL_STEPS({.statement = LOCK(3)}, {.statement = ADD(3, 3)}));
    assert_int_equal(brought.status, 0);
}

/* A step that has nothing to do ends the transaction well: what was done before it stays. */
static void test_a_step_commits_early(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought,
        &SQL_STEPS({.statement = ADD(1, 1)},
                   {.statement = SQL_STATEMENT("test.insert", "INSERT IGNORE INTO t VALUES (2, 0)"),
                    .wants = SQL_WANTS_CHANGE,
                    .otherwise = SQL_COMMIT_EARLY},
                   {.statement = ADD(1, 100)}));
    assert_int_equal(brought.status, SQL_COMMIT_EARLY);
    assert_int_equal(value_of(1), 11);
}

static void test_what_is_taken_decides(void **state)
{
    (void)state;
    struct brought brought = {.answer = UV_EAGAIN};
    const struct sql_steps steps =
        SQL_STEPS({.statement = ADD(1, 1)}, {.statement = LOCK(1), HAS_ROW, .take = take_number},
                  {.statement = ADD(1, 100)});
    run(&brought, &steps);
    assert_int_equal(brought.status, UV_EAGAIN);
    assert_int_equal(value_of(1), 10);
    brought = (struct brought){.answer = SQL_COMMIT_EARLY};
    run(&brought, &steps);
    assert_int_equal(brought.status, SQL_COMMIT_EARLY);
    assert_int_equal(brought.number, 11);
    assert_int_equal(value_of(1), 11);
}

static int take_none(void *arg, struct sql_rows *rows)
{
    struct brought *brought = arg;
    assert_int_equal(rows->result->row_count, 0);
    brought->take_count++;
    brought->number = rows->result->affected_rows;
    return 0;
}

static void test_a_result_without_rows_is_taken(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought, &SQL_STEPS({.statement = ADD(1, 1), .take = take_none}));
    assert_int_equal(brought.status, 0);
    assert_int_equal(brought.number, 1);
}

/* What is no number, and a column of a row that is not there, are errors, not numbers. */
static void test_a_column_that_is_something_else_undoes_all(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought,
        &SQL_STEPS({.statement = ADD(1, 1)},
                   {.statement = SQL_STATEMENT("test.text", "SELECT 'x'"), .take = take_number}));
    assert_int_equal(brought.status, UV_EPROTO);
    assert_int_equal(value_of(1), 10);
    brought = (struct brought){0};
    run(&brought, &SQL_STEPS({.statement = LOCK(3), .take = take_number}));
    assert_int_equal(brought.status, UV_EPROTO);
}

static void test_a_statement_that_fails_undoes_all(void **state)
{
    (void)state;
    struct brought brought = {0};
    run(&brought,
        &SQL_STEPS({.statement = ADD(1, 1)},
                   {.statement = SQL_STATEMENT("test.insert", "INSERT INTO t VALUES (2, 0)"),
                    .take = take_number}));
    assert_int_equal(brought.status, UV_EEXIST);
    assert_int_equal(brought.take_count, 0);
    assert_int_equal(value_of(1), 10);
}

static void test_steps_and_parameters_are_copied(void **state)
{
    (void)state;
    struct brought brought = {0};
    char text[] = "40";
    struct sql_value params[] = {sql_text(str_from(text))};
    struct sql_step list[] = {
        {.statement = {.name = "test.add",
                       .text = "UPDATE t SET v = v + ? WHERE id = 1",
                       .params = params,
                       .count = 1}},
        {.statement = ADD(2, 1)},
    };
    sql_tx_steps(rig.sql, task_make_ref(&task), &(struct sql_steps){list, 2}, on_done, &brought);
    memset(text, 'x', sizeof(text) - 1);
    memset(params, 0, sizeof(params));
    memset(list, 0, sizeof(list));
    while (brought.done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(brought.status, 0);
    assert_int_equal(value_of(1), 50);
    assert_int_equal(value_of(2), 21);
}

/* --- conflicts --- */

/* Two transactions lock the two rows in opposite order, until one of them has been run anew. */
static void test_a_deadlock_runs_all_steps_anew(void **state)
{
    (void)state;
    struct brought brought[2] = {{0}};
    unsigned rounds = 0;
    uint64_t value = 10;
    while (brought[0].take_count + brought[1].take_count < 3) {
        assert_true(rounds++ < 100);
        for (int i = 0; i < 2; i++) {
            brought[i] = (struct brought){0};
            sql_tx_steps(
                rig.sql, (struct task_ref){0},
                &SQL_STEPS({.statement = LOCK(1 + i), HAS_ROW, .take = take_number},
                           {.statement = SQL_STATEMENT("test.sleep", "SELECT SLEEP(0.05)")},
                           {.statement = ADD(2 - i, 1), HAS_CHANGE}),
                on_done, &brought[i]);
        }
        while (brought[0].done_count == 0 || brought[1].done_count == 0) {
            rig_turn(&rig);
        }
        for (int i = 0; i < 2; i++) {
            assert_int_equal(brought[i].done_count, 1);
            assert_int_equal(brought[i].status, 0);
        }
        value++;
    }
    assert_int_equal(value_of(1), value);
    assert_int_equal(value_of(2), value + 10);
}

/* --- whoever leaves --- */

static void test_a_cancel_undoes_all(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_tx_steps(rig.sql, task_make_ref(&task),
                 &SQL_STEPS({.statement = LOCK(1), HAS_ROW, .take = take_number},
                            {.statement = ADD(1, 1)},
                            {.statement = SQL_STATEMENT("test.sleep", "SELECT SLEEP(0.3)")}),
                 on_done, &brought);
    while (brought.take_count == 0) {
        rig_turn(&rig);
    }
    task_cancel(&task, UV_ECANCELED);
    assert_int_equal(brought.done_count, 1);
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_true(task_rig.is_freed);
    assert_int_equal(value_of(1), 10);
}

static struct loop_deferred leaving;

static void leave(struct loop_deferred *deferred)
{
    (void)deferred;
    task_cancel(&task, UV_ECANCELED);
}

/* take_and_leave has the client leave in this turn, when COMMIT is under way. */
static int take_and_leave(void *arg, struct sql_rows *rows)
{
    leaving.run = leave;
    list_init(&leaving.link);
    loop_defer(rig.loop, &leaving);
    return take_number(arg, rows);
}

static void test_a_commit_is_heard_of_when_the_client_has_left(void **state)
{
    (void)state;
    struct brought brought = {0};
    sql_tx_steps(rig.sql, task_make_ref(&task),
                 &SQL_STEPS({.statement = ADD(1, 1)},
                            {.statement = LOCK(1), HAS_ROW, .take = take_and_leave}),
                 on_done, &brought);
    while (brought.done_count == 0 || !task_rig.is_freed) {
        rig_turn(&rig);
    }
    assert_int_equal(brought.status, 0);
    assert_int_equal(value_of(1), 11);
}

static void test_for_what_has_gone(void **state)
{
    (void)state;
    struct brought brought = {0};
    const struct task_ref ref = task_make_ref(&task);
    task_end(&task);
    sql_tx_steps(rig.sql, ref, &SQL_STEPS({.statement = ADD(1, 1)}), on_done, &brought);
    while (brought.done_count == 0) {
        rig_turn(&rig);
    }
    assert_int_equal(brought.status, UV_ECANCELED);
    assert_int_equal(value_of(1), 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_all_steps_are_committed),
        TEST(test_a_row_that_is_missing_undoes_all),
        TEST(test_a_change_that_is_missing_undoes_all),
        TEST(test_what_is_wanted_of_nobody_may_be_missing),
        TEST(test_a_step_commits_early),
        TEST(test_what_is_taken_decides),
        TEST(test_a_result_without_rows_is_taken),
        TEST(test_a_column_that_is_something_else_undoes_all),
        TEST(test_a_statement_that_fails_undoes_all),
        TEST(test_steps_and_parameters_are_copied),
        TEST(test_a_deadlock_runs_all_steps_anew),
        TEST(test_a_cancel_undoes_all),
        TEST(test_a_commit_is_heard_of_when_the_client_has_left),
        TEST(test_for_what_has_gone),
    };
    return cmocka_run_group_tests_name("sql_steps", tests, set_up_server, tear_down_server);
}
