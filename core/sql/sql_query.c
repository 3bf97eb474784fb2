/* SPDX-License-Identifier: MIT
 *
 * sql_query.c - the life of a query: submitted, waiting, running, done; its deadline and its
 * cancel.
 */
#include "core/sql/sql_query.h"

#include "core/base/clock.h"
#include "core/loop/statements.h"
#include "core/sql/sql_exec.h"
#include "core/telemetry/log_limit.h"

/* can_retry tells whether a statement that failed runs again; in a transaction sql_tx.c decides. */
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

/* level_of: a failure that handlers expect is for debugging; one that only a person can fix is an
 * error. */
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

/* log_failure logs a failed statement, unless it is one of the pool's own.
 *
 * error: of the server or the library; code 0: of neither. */
static void log_failure(const struct sql_query *query, int status, const struct sql_error *error)
{
    char text[SQL_ERROR_TEXT_BYTES];
    if (query->is_own) {
        return; /* its outcome is the server's health */
    }
    sql_error_text(error->message, query->params, query->param_count, text);
    LOG_LIMITED(level_of(query, status), "sql", "statement failed",
                log_str("statement", name_of(query)), log_cstr("status", uv_err_name(status)),
                log_u64("errno", error->code), log_cstr("sqlstate", error->sqlstate),
                log_cstr("error", text));
}

void sql_query_set_waker(struct sql_query *query, const char *kind, uint64_t id)
{
    const struct task_waker before = query->waker;
    query->waker = (struct task_waker){kind, id};
    if (kind != NULL) {
        task_await(query->task, query->waker);
    }
    if (before.kind != NULL) {
        task_awaited(query->task, before);
    }
}

static void on_timeout(struct wheel_timer *timer)
{
    struct sql_query *query = CONTAINER_OF(timer, struct sql_query, timer);
    const struct sql_error none = {.message = query->state == QUERY_WAITING
                                                  ? STR("no connection became free in time")
                                                  : STR("no answer came in time")};
    struct task *previous = task_enter(query->task);
    log_failure(query, UV_ETIMEDOUT, &none);
    task_leave(previous);
    sql_query_fail(query, UV_ETIMEDOUT);
}

static void run_done(struct loop_deferred *deferred)
{
    struct sql_query *query = CONTAINER_OF(deferred, struct sql_query, done);
    struct task *previous = task_enter(query->task);
    if (query->tx == NULL) {
        task_release(
            query->task); /* sql_query_start's hold; a transaction has one for all of its queries */
    }
    if (query->task != NULL) {
        task_unpark(query->task);
        if (query->result.status < 0) {
            const unsigned code = query->result.error.code;
            task_note(query->task, task_note_error,
                      code != 0 ? code : (uint64_t)-query->result.status);
        }
    }
    sql_query_set_waker(query, NULL, 0);
    query->state = QUERY_IDLE;
    if (query->tx == NULL || query->owner->done(query)) {
        query->on_done(query);
    }
    task_leave(previous);
}

void sql_query_set_timer(struct sql_query *query, uint64_t timeout_ms)
{
    if (query->state != QUERY_DONE) {
        loop_set_timer(query->sql->loop, &query->timer, timeout_ms);
    }
}

static void set_error(struct sql_query *query, const struct sql_error *error)
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
    if (query->waker.kind == NULL) { /* sql_query_detach has removed it; run_done wakes the task */
        sql_query_set_waker(query, "mysql", 0);
    }
    if (!query->is_own) {
        count(sql, query);
    }
    loop_defer(sql->loop, &query->done);
}

/* retry runs a query again; rows of the first run stay in the arena unused. */
static void retry(struct sql_query *query)
{
    query->sql->stats.deadlock_retries += query->again == SQL_AGAIN_ALL ? 1 : 0;
    query->tries++;
    query->again = SQL_AGAIN_NEVER;
    query->result = (struct sql_result){0};
    query->row_end = &query->result.rows;
    query->used_bytes = 0;
    query->state = QUERY_WAITING;
    sql_query_set_waker(query, "mysql pool", 0);
    sql_pool_requeue(query->sql, &query->lease);
    if (query->task != NULL) {
        task_park_for(query->task, "mysql pool", query->name, clock_now_ns());
    }
}

/* on_ended: the connection goes back to the pool, stays with its transaction, or is dropped if it
 * is broken; on_done runs at the end of the turn. */
static void on_ended(struct sql_conn *conn, struct sql_query *query,
                     const struct sql_outcome *outcome)
{
    query->conn = NULL;
    if (!outcome->is_broken) {
        query->sql->answered_ms = loop_now_ms(query->sql->loop);
    }
    query->again = (uint8_t)outcome->again;
    if (outcome->error != NULL) {
        set_error(query, outcome->error);
        log_failure(query, outcome->status, outcome->error);
    }
    if (outcome->status < 0 && can_retry(query)) {
        retry(query);
    } else {
        complete(query, outcome->status);
    }
    if (outcome->is_broken) {
        sql_pool_drop(conn, false);
    } else if (query->tx == NULL) {
        sql_pool_put(conn);
    } else {
        sql_conn_wait(conn, 0);
    }
}

void sql_query_run(struct sql_query *query, struct sql_conn *conn)
{
    query->conn = conn;
    query->state = QUERY_RUNNING;
    sql_query_set_waker(query, "mysql", mysql_thread_id(conn->mysql));
    if (query->task != NULL) {
        task_park_for(query->task, "mysql", query->name, clock_now_ns());
    }
    sql_exec_start(conn, query, on_ended);
}

static void on_granted(struct sql_lease *lease)
{
    sql_query_run(CONTAINER_OF(lease, struct sql_query, lease), lease->conn);
}

void sql_query_refuse(struct sql_query *query, int status, const struct sql_error *error)
{
    if (error != NULL) {
        set_error(query, error);
    }
    complete(query, status);
}

static void on_refused(struct sql_lease *lease, int status, const struct sql_error *error)
{
    sql_query_refuse(CONTAINER_OF(lease, struct sql_query, lease), status, error);
}

/* --- submitting --- */

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
    query->waker = (struct task_waker){0};
    query->state = QUERY_IDLE;
    query->done.run = run_done;
    query->lease.conn = NULL;
    query->lease.is_waiting = false;
    query->lease.granted = on_granted;
    query->lease.refused = on_refused;
    list_init(&query->lease.link);
    list_init(&query->done.link);
    wheel_timer_init(&query->timer, on_timeout);
}

int sql_query_submit(struct sql *sql, struct sql_query *query)
{
    query->state = QUERY_WAITING;
    sql_query_set_waker(query, "mysql pool", 0);
    const int rc = sql_pool_submit(sql, &query->lease);
    if (rc < 0) {
        sql_query_set_waker(query, NULL, 0);
        query->state = QUERY_IDLE;
    } else if (query->lease.is_waiting && query->task != NULL) {
        task_park_for(query->task, "mysql pool", query->name, clock_now_ns());
    }
    return rc;
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
    if (query->name != NULL && sql->options.statements != NULL) {
        statements_learn(sql->options.statements, query->name, query->text);
    }
    sql_query_prepare(sql, query);
    int rc = sql_query_check(sql, query);
    rc = rc < 0 ? rc : sql_query_submit(sql, query);
    if (rc == 0) {
        task_hold(query->task);
        sql_query_set_timer(query, query->timeout_ms != 0 ? query->timeout_ms
                                                          : sql->options.query_timeout_ms);
    }
    return rc;
}

/* --- giving up --- */

void sql_query_detach(struct sql_query *query)
{
    struct sql *sql = query->sql;
    struct sql_conn *conn = query->conn;
    wheel_unset(&query->timer);
    loop_undefer(&query->done);
    sql_pool_withdraw(sql, &query->lease);
    if (conn != NULL) {
        query->conn = NULL;
        sql_pool_drop(conn, true);
    }
    sql_query_set_waker(query, NULL, 0);
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
        query->owner->cancelled(query);
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
        task_await(task, query->waker);
        task_awaited(previous, query->waker);
        task_release(previous);
    }
}
