/* SPDX-License-Identifier: MIT
 *
 * sql_exec.c - the steps of one query on its connection.
 *
 * Flow:    command:   OP_COMMAND
 *          statement: [OP_EVICT] -> [OP_PREPARE] -> OP_EXECUTE -> [OP_FETCH for each row]
 *
 * Each step is a call of the library that may suspend; if it does not, the next step follows at
 * once. So a result that has arrived is read in one go, up to the query's limits.
 */
#include "core/sql/sql_exec.h"

#include <stdio.h>

#include "core/sql/sql_stmt.h"

static struct sql_error make_error(unsigned code, const char *sqlstate, const char *message)
{
    struct sql_error error = {.code = code, .message = str_from(message)};
    memcpy(error.sqlstate, sqlstate, strnlen(sqlstate, sizeof(error.sqlstate) - 1));
    return error;
}

/* last_error is the library's error of the step that failed. */
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

/* end takes the statement off its connection, and runs on_ended. */
static void end(struct sql_conn *conn, const struct sql_outcome *outcome)
{
    struct sql_query *query = conn->query;
    conn->query = NULL;
    conn->stmt = NULL;
    conn->op = OP_NONE;
    conn->on_ended(conn, query, outcome);
}

static void end_with(struct sql_conn *conn, int status, bool is_broken)
{
    const struct sql_outcome outcome = {.status = status, .is_broken = is_broken};
    end(conn, &outcome);
}

static void end_failed(struct sql_conn *conn)
{
    char text[MYSQL_ERRMSG_SIZE];
    struct sql_error error = last_error(conn);
    const struct sql_meaning silence = {UV_EPROTO, true, SQL_AGAIN_NEVER};
    const struct sql_meaning meaning =
        error.code == 0 ? silence : sql_error_meaning(error.code, error.sqlstate);
    const struct sql_outcome outcome = {
        .status = meaning.status,
        .is_broken = meaning.is_fatal,
        .again = meaning.again,
        .error = &error,
    };
    if (conn->op == OP_PREPARE && !meaning.is_fatal) {
        /* never prepared, so the server has nothing to close; the handle owns the message */
        (void)snprintf(text, sizeof(text), "%.*s", (int)error.message.len, error.message.ptr);
        error.message = str_from(text);
        list_unlink(&conn->stmt->link);
        conn->stmt_count--;
        sql_stmt_free(conn->stmt);
    }
    end(conn, &outcome);
}

static void end_well(struct sql_conn *conn)
{
    /* further results of a CALL, and rows of a command, would be taken for the next query's
     * answer */
    const bool has_rows = conn->op == OP_COMMAND && mysql_field_count(conn->mysql) > 0;
    const bool has_more = has_rows || (conn->mysql->server_status & SERVER_MORE_RESULTS_EXIST) != 0;
    end_with(conn, has_more ? UV_EPROTO : 0, has_more);
}

/* --- the library's calls --- */

/* The library switches to a coroutine's stack, on which none of our code runs: so neither ASan nor
 * TSan, which do not know of the switch, needs an option. */

/* start_call begins `conn->op`.
 *
 * Returns: what the library waits for, MYSQL_WAIT_*; 0 when it has finished. */
static int start_call(struct sql_conn *conn)
{
    sql_conn_forget_tls_errors(conn);
    switch (conn->op) {
    case OP_COMMAND:
        return mysql_real_query_start(&conn->ret_int, conn->mysql, conn->query->text.ptr,
                                      conn->query->text.len);
    case OP_EVICT:
        return mysql_stmt_close_start(&conn->ret_bool, conn->stmt->handle);
    case OP_PREPARE:
        return mysql_stmt_prepare_start(&conn->ret_int, conn->stmt->handle, conn->stmt->text,
                                        conn->stmt->text_len);
    case OP_EXECUTE:
        return mysql_stmt_execute_start(&conn->ret_int, conn->stmt->handle);
    case OP_FETCH:
        return mysql_stmt_fetch_start(&conn->ret_int, conn->stmt->handle);
    case OP_NONE:
        break;
    }
    INVARIANT(!"an operation to start");
    return 0;
}

/* resume_call goes on with `conn->op`. events: MYSQL_WAIT_*. Returns: as start_call. */
static int resume_call(struct sql_conn *conn, int events)
{
    sql_conn_forget_tls_errors(conn);
    switch (conn->op) {
    case OP_COMMAND:
        return mysql_real_query_cont(&conn->ret_int, conn->mysql, events);
    case OP_EVICT:
        return mysql_stmt_close_cont(&conn->ret_bool, conn->stmt->handle, events);
    case OP_PREPARE:
        return mysql_stmt_prepare_cont(&conn->ret_int, conn->stmt->handle, events);
    case OP_EXECUTE:
        return mysql_stmt_execute_cont(&conn->ret_int, conn->stmt->handle, events);
    case OP_FETCH:
        return mysql_stmt_fetch_cont(&conn->ret_int, conn->stmt->handle, events);
    case OP_NONE:
        break;
    }
    INVARIANT(!"an operation to resume");
    return 0;
}

/* unwind ends a suspended operation: it shuts the socket down, so that every read and write fails
 * at once, and the coroutine runs to its end and frees what its frames own. */
static void unwind(struct sql_conn *conn)
{
    (void)mariadb_cancel(conn->mysql);
    while (resume_call(conn, MYSQL_WAIT_READ | MYSQL_WAIT_WRITE) != 0) {
    }
    if (conn->op == OP_EVICT) {
        conn->stmt->handle = NULL; /* the library has freed it */
        sql_stmt_free(conn->stmt);
    }
}

/* --- the steps --- */

/* choose_prepare makes the statement. Returns: false: that has ended the query. */
static bool choose_prepare(struct sql_conn *conn)
{
    conn->stmt = sql_stmt_add(conn, conn->query->text);
    if (conn->stmt == NULL) {
        end_with(conn, UV_ENOMEM, false);
        return false;
    }
    conn->op = OP_PREPARE;
    return true;
}

/* choose_first chooses the first step of a query. Returns: as choose_prepare. */
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
    if (conn->stmt_count >= conn->dialer->options->max_statements) {
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
        end_well(conn);
        return false;
    }
    const int rc = sql_stmt_bind_row(conn->stmt);
    if (rc < 0) {
        end_with(conn, rc, true); /* the rows are unread */
        return false;
    }
    conn->op = OP_FETCH;
    return true;
}

static bool after_fetch(struct sql_conn *conn)
{
    if (conn->ret_int == MYSQL_NO_DATA) {
        end_well(conn);
        return false;
    }
    if (conn->ret_int != 0) {
        end_failed(conn);
        return false;
    }
    const int rc = sql_stmt_add_row(conn->stmt, conn->query);
    if (rc < 0) {
        end_with(conn, rc, true); /* more rows are on their way */
        return false;
    }
    return true;
}

/* choose_next ends the step that is done and chooses the next one.
 *
 * Returns: false: the query has ended. */
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
        end_failed(conn);
        return false;
    }
    switch (conn->op) {
    case OP_PREPARE:
        conn->dialer->prepares++;
        conn->op = OP_EXECUTE;
        return true;
    case OP_EXECUTE:
        return after_execute(conn);
    default:
        end_well(conn);
        return false;
    }
}

/* start_op begins the chosen step. Returns: false: that has ended the query. */
static bool start_op(struct sql_conn *conn, int *ret_wait)
{
    const int rc = conn->op == OP_EXECUTE ? sql_stmt_bind_params(conn) : 0;
    if (rc < 0) {
        end_with(conn, rc, false);
        return false;
    }
    *ret_wait = start_call(conn);
    return true;
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

void sql_exec_start(struct sql_conn *conn, struct sql_query *query, sql_ended_fn on_ended)
{
    struct task *previous = task_enter(query->task);
    conn->query = query;
    conn->on_ended = on_ended;
    int wait;
    if (choose_first(conn) && start_op(conn, &wait)) {
        run_ops(conn, wait);
    }
    task_leave(previous);
}

void sql_exec_resume(struct sql_conn *conn, int events)
{
    struct task *previous = task_enter(conn->query->task);
    run_ops(conn, resume_call(conn, events));
    task_leave(previous);
}

bool sql_exec_is_executing(const struct sql_conn *conn)
{
    return conn->op == OP_EXECUTE || conn->op == OP_FETCH || conn->op == OP_COMMAND;
}

void sql_exec_close(struct sql_conn *conn)
{
    if (conn->op != OP_NONE) {
        unwind(conn);
    }
    sql_conn_close(conn);
    sql_stmt_free_all(conn);
}
