/* SPDX-License-Identifier: MIT
 *
 * sql_exec.c - the steps of one query on its connection.
 *
 * Flow:    command:   OP_COMMAND
 *          statement: [OP_EVICT] -> [OP_PREPARE] -> OP_EXECUTE -> [OP_FETCH for each row]
 *
 * Each step is a call of the library that may suspend; one that does not is followed by the next
 * one at once. So a result that has arrived is read in one go, up to the query's caps.
 */
#include "core/sql/sql_internal.h"

static struct sql_error make_error(unsigned code, const char *sqlstate, const char *message)
{
    struct sql_error error = {.code = code, .message = str_from(message)};
    memcpy(error.sqlstate, sqlstate, strnlen(sqlstate, sizeof(error.sqlstate) - 1));
    return error;
}

/* last_error is what the library says about the step that failed. */
static struct sql_error last_error(const struct sql_conn *conn)
{
    if (conn->stmt != NULL && mysql_stmt_errno(conn->stmt->handle) != 0) {
        MYSQL_STMT *handle = conn->stmt->handle;
        return make_error(mysql_stmt_errno(handle), mysql_stmt_sqlstate(handle),
                          mysql_stmt_error(handle));
    }
    return make_error(mysql_errno(conn->mysql), mysql_sqlstate(conn->mysql),
                      mysql_error(conn->mysql));
}

static void finish_failed(struct sql_conn *conn)
{
    const struct sql_error error = last_error(conn);
    const struct sql_meaning silence = {UV_EPROTO, true, SQL_AGAIN_NEVER};
    const struct sql_meaning meaning =
        error.code == 0 ? silence : sql_error_meaning(error.code, error.sqlstate);
    sql_query_set_error(conn->query, &error);
    conn->query->again = (uint8_t)meaning.again;
    sql_query_log(conn->query, meaning.status, &error);
    if (conn->op == OP_PREPARE && !meaning.is_fatal) {
        /* never prepared, so the server has nothing to close */
        list_unlink(&conn->stmt->link);
        conn->stmt_count--;
        sql_stmt_free(conn->stmt);
    }
    sql_query_finish(conn, meaning.status, meaning.is_fatal);
}

static void finish_ok(struct sql_conn *conn)
{
    /* what a CALL leaves behind, or a command that has rows, would be taken for the next query's
     * answer */
    const bool has_rows = conn->op == OP_COMMAND && mysql_field_count(conn->mysql) > 0;
    const bool has_more = has_rows || (conn->mysql->server_status & SERVER_MORE_RESULTS_EXIST) != 0;
    sql_query_finish(conn, has_more ? UV_EPROTO : 0, has_more);
}

/* choose_prepare makes the statement; false when that has ended the query. */
static bool choose_prepare(struct sql_conn *conn)
{
    conn->stmt = sql_stmt_add(conn, conn->query->text);
    if (conn->stmt == NULL) {
        sql_query_finish(conn, UV_ENOMEM, false);
        return false;
    }
    conn->op = OP_PREPARE;
    return true;
}

/* choose_first sets the first step of a query; returns as choose_prepare. */
static bool choose_first(struct sql_conn *conn)
{
    conn->stmt = NULL;
    if (conn->query->is_command) {
        conn->op = OP_COMMAND;
        return true;
    }
    conn->stmt = sql_stmt_find(conn, conn->query->text);
    if (conn->stmt != NULL) {
        conn->op = OP_EXECUTE;
        return true;
    }
    if (conn->stmt_count >= conn->sql->options.max_statements) {
        conn->stmt = sql_stmt_take_oldest(conn);
        conn->op = OP_EVICT;
        return true;
    }
    return choose_prepare(conn);
}

static bool after_execute(struct sql_conn *conn)
{
    struct sql_result *result = &conn->query->result;
    MYSQL_STMT *handle = conn->stmt->handle;
    result->column_count = mysql_stmt_field_count(handle);
    if (result->column_count == 0) {
        result->affected_rows = mysql_stmt_affected_rows(handle);
        result->insert_id = mysql_stmt_insert_id(handle);
        finish_ok(conn);
        return false;
    }
    const int rc = sql_stmt_bind_row(conn->stmt);
    if (rc < 0) {
        sql_query_finish(conn, rc, true); /* with all rows unread */
        return false;
    }
    conn->op = OP_FETCH;
    return true;
}

static bool after_fetch(struct sql_conn *conn)
{
    if (conn->ret_int == MYSQL_NO_DATA) {
        finish_ok(conn);
        return false;
    }
    if (conn->ret_int != 0) {
        finish_failed(conn);
        return false;
    }
    const int rc = sql_stmt_add_row(conn->stmt, conn->query);
    if (rc < 0) {
        sql_query_finish(conn, rc, true); /* with more rows on their way */
        return false;
    }
    return true;
}

/* choose_next looks at the step that is done and sets the next one; false when there is none. */
static bool choose_next(struct sql_conn *conn)
{
    switch (conn->op) {
    case OP_EVICT:
        conn->stmt->handle = NULL; /* the library has freed it, whatever the outcome */
        sql_stmt_free(conn->stmt);
        return choose_prepare(conn);
    case OP_FETCH:
        return after_fetch(conn);
    default:
        break;
    }
    if (conn->ret_int != 0) {
        finish_failed(conn);
        return false;
    }
    switch (conn->op) {
    case OP_PREPARE:
        conn->sql->stats.prepares++;
        conn->op = OP_EXECUTE;
        return true;
    case OP_EXECUTE:
        return after_execute(conn);
    default:
        finish_ok(conn);
        return false;
    }
}

/* start_op begins the chosen step; false when that has ended the query. */
static bool start_op(struct sql_conn *conn, int *ret_wait)
{
    if (conn->op != OP_EXECUTE) {
        *ret_wait = sql_conn_start(conn);
        return true;
    }
    const int rc = sql_stmt_execute(conn, ret_wait);
    if (rc < 0) {
        sql_query_finish(conn, rc, false);
    }
    return rc == 0;
}

static void run_ops(struct sql_conn *conn, int wait)
{
    while (wait == 0) {
        if (!choose_next(conn) || !start_op(conn, &wait)) {
            return;
        }
    }
    sql_conn_wait(conn, wait);
}

void sql_exec_start(struct sql_conn *conn, struct sql_query *query)
{
    struct task *previous = task_enter(query->task);
    conn->query = query;
    query->conn = conn;
    query->state = QUERY_RUNNING;
    int wait;
    if (choose_first(conn) && start_op(conn, &wait)) {
        run_ops(conn, wait);
    }
    task_leave(previous);
}

void sql_exec_resume(struct sql_conn *conn, int events)
{
    struct task *previous = task_enter(conn->query->task);
    run_ops(conn, sql_conn_resume(conn, events));
    task_leave(previous);
}
