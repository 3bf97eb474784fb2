/* SPDX-License-Identifier: MIT
 *
 * sql_query.c - the life of a query: submitted, waiting, running, done; its deadline and its
 * cancel.
 */
#include "core/base/clock.h"
#include "core/loop/statements.h"
#include "core/sql/sql_internal.h"
#include "core/telemetry/log_limit.h"

static bool is_own(const struct sql *sql, const struct sql_query *query)
{
    return query == &sql->ping || query == &sql->kill || query == &sql->probe_query ||
           query->tx == &sql->probe;
}

/* can_retry tells whether a statement that failed runs once more; in a transaction, that
 * decides. */
static bool can_retry(const struct sql_query *query)
{
    if (query->tx != NULL || query->sql->is_closing) {
        return false;
    }
    return (query->again == SQL_AGAIN_ALL && query->tries < SQL_TRIES) ||
           (query->again != SQL_AGAIN_NEVER && query->is_read && query->tries == 1);
}

/* --- the log --- */

static struct str name_of(const struct sql_query *query)
{
    struct str rest = query->text;
    struct str word;
    if (query->name != NULL) {
        return str_from(query->name);
    }
    return str_next_field(&rest, ' ', &word) ? word : STR("");
}

/* level_of: what a handler expects is no fault, what only people can mend is an error. */
static enum log_level level_of(const struct sql_query *query, int status)
{
    if (status == UV_EEXIST || can_retry(query)) {
        return LOG_DEBUG;
    }
    return status == UV_EIO || status == UV_EACCES || status == UV_EINVAL || status == UV_EPROTO ||
                   status == UV_EMSGSIZE
               ? LOG_ERROR
               : LOG_WARN;
}

void sql_query_log(const struct sql_query *query, int status, const struct sql_error *error)
{
    char text[SQL_ERROR_TEXT_BYTES];
    if (is_own(query->sql, query)) {
        return; /* its outcome is the server's health */
    }
    sql_error_text(error->message, query->params, query->param_count, text);
    LOG_LIMITED(level_of(query, status), "sql", "statement failed",
                log_str("statement", name_of(query)), log_cstr("status", uv_err_name(status)),
                log_u64("errno", error->code), log_cstr("sqlstate", error->sqlstate),
                log_cstr("error", text));
}

static void on_timeout(struct wheel_timer *timer)
{
    struct sql_query *query = CONTAINER_OF(timer, struct sql_query, timer);
    const struct sql_error none = {.message = query->state == QUERY_WAITING
                                                  ? STR("no connection became free in its time")
                                                  : STR("no answer came in its time")};
    struct task *previous = task_enter(query->task);
    sql_query_log(query, UV_ETIMEDOUT, &none);
    task_leave(previous);
    sql_query_fail(query, UV_ETIMEDOUT);
}

static void run_done(struct loop_deferred *deferred)
{
    struct sql_query *query = CONTAINER_OF(deferred, struct sql_query, done);
    struct task *previous = task_enter(query->task);
    if (query->tx == NULL) {
        task_release(
            query->task); /* sql_query_start's hold; a transaction has one for all its queries */
    }
    if (query->task != NULL) {
        task_unpark(query->task);
        if (query->result.status < 0) {
            const unsigned code = query->result.error.code;
            task_note(query->task, task_note_error,
                      code != 0 ? code : (uint64_t)-query->result.status);
        }
    }
    query->state = QUERY_IDLE;
    if (query->tx == NULL || sql_tx_on_query_done(query->tx, query)) {
        query->on_done(query);
    }
    task_leave(previous);
}

void sql_query_prepare(struct sql *sql, struct sql_query *query)
{
    query->result = (struct sql_result){0};
    query->row_end = &query->result.rows;
    query->used_bytes = 0;
    query->sql = sql;
    query->conn = NULL;
    query->start_ns = clock_now_ns();
    query->again = SQL_AGAIN_NEVER;
    query->tries = 1;
    query->state = QUERY_IDLE;
    query->done.run = run_done;
    list_init(&query->link);
    list_init(&query->done.link);
    wheel_timer_init(&query->timer, on_timeout);
}

void sql_query_set_timer(struct sql_query *query, uint64_t timeout_ms)
{
    if (query->state != QUERY_DONE) {
        loop_set_timer(query->sql->loop, &query->timer, timeout_ms);
    }
}

int sql_query_check(const struct sql *sql, const struct sql_query *query)
{
    if (query->param_count > SQL_PARAMS_MAX) {
        return UV_EINVAL;
    }
    size_t len = query->text.len;
    for (size_t i = 0; i < query->param_count; i++) {
        const struct sql_value *value = &query->params[i];
        len += value->type == SQL_TEXT || value->type == SQL_BLOB ? value->str.len : 0;
    }
    return len + SQL_PARAM_BYTES * (query->param_count + 1) > sql->packet_bytes ? UV_EMSGSIZE : 0;
}

int sql_query_start(struct sql *sql, struct sql_query *query)
{
    REQUIRE(query->state == QUERY_IDLE);
    loop_require_lasting(sql->loop, query, "sql_query_start");
    query->tx = NULL;
    query->is_command = false;
    if (query->name != NULL) {
        statements_learn(query->name, query->text);
    }
    sql_query_prepare(sql, query);
    int rc = sql_query_check(sql, query);
    rc = rc < 0 ? rc : sql_pool_submit(sql, query);
    if (rc == 0) {
        task_hold(query->task);
        sql_query_set_timer(query, query->timeout_ms != 0 ? query->timeout_ms
                                                          : sql->options.query_timeout_ms);
    }
    return rc;
}

void sql_query_set_error(struct sql_query *query, const struct sql_error *error)
{
    query->result.error = *error;
    query->result.error.message = STR("");
    struct str copy;
    if (query->arena != NULL && arena_copy(query->arena, error->message, &copy)) {
        query->result.error.message = copy;
    }
}

static void count(struct sql *sql, const struct sql_query *query)
{
    const int status = query->result.status;
    sql->stats.queries++;
    sql->stats.failures += status < 0 ? 1 : 0;
    sql->stats.timeouts += status == UV_ETIMEDOUT ? 1 : 0;
    if (sql->duration != NULL) {
        const double seconds = (double)(clock_now_ns() - query->start_ns) * 1e-9;
        metric_observe(sql->duration, seconds);
        sql_statements_observe(&sql->statements, query->name, seconds);
    }
}

/* complete ends a query that is in no list and on no connection. */
static void complete(struct sql_query *query, int status)
{
    struct sql *sql = query->sql;
    query->result.status = status;
    query->state = QUERY_DONE;
    wheel_unset(&query->timer);
    if (!is_own(sql, query)) {
        count(sql, query);
    }
    loop_defer(sql->loop, &query->done);
}

/* retry starts over; what the first run left in the arena stays there unused. */
static void retry(struct sql_query *query)
{
    query->sql->stats.deadlock_retries += query->again == SQL_AGAIN_ALL ? 1 : 0;
    query->tries++;
    query->again = SQL_AGAIN_NEVER;
    query->result = (struct sql_result){0};
    query->row_end = &query->result.rows;
    query->used_bytes = 0;
    sql_pool_requeue(query->sql, query);
}

void sql_query_finish(struct sql_conn *conn, int status, bool is_broken)
{
    struct sql_query *query = conn->query;
    conn->query = NULL;
    conn->stmt = NULL;
    conn->op = OP_NONE;
    query->conn = NULL;
    if (status < 0 && can_retry(query)) {
        retry(query);
    } else {
        complete(query, status);
    }
    if (is_broken) {
        sql_pool_drop(conn, false);
    } else if (conn->tx == NULL) {
        sql_pool_put(conn);
    } else {
        sql_conn_wait(conn, 0);
    }
}

void sql_query_detach(struct sql_query *query)
{
    struct sql *sql = query->sql;
    struct sql_conn *conn = query->conn;
    wheel_unset(&query->timer);
    loop_undefer(&query->done);
    if (query->state == QUERY_WAITING) {
        list_unlink(&query->link);
        sql->stats.waiters--;
    }
    if (conn != NULL) {
        query->conn = NULL;
        sql_pool_drop(conn, true);
    }
    query->state = QUERY_IDLE;
}

void sql_query_fail(struct sql_query *query, int status)
{
    sql_query_detach(query);
    complete(query, status);
}

void sql_query_cancel(struct sql_query *query)
{
    if (query->state == QUERY_IDLE) {
        return;
    }
    query->sql->stats.cancels++;
    sql_query_detach(query);
    if (query->tx != NULL) {
        query->tx->query = NULL;
    } else {
        task_release(query->task);
    }
}

void sql_query_lend(struct sql_query *query, struct task *task)
{
    struct task *previous = query->task;
    query->task = task;
    if (query->state != QUERY_IDLE) {
        task_hold(task);
        task_release(previous);
    }
}
