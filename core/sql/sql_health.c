/* SPDX-License-Identifier: MIT
 *
 * sql_health.c - checks every options.ping_ms whether the server answers, and whether it takes
 * writes.
 *
 * Flow:    upkeep -> ping, before all that wait, on a connection beyond the pool's if all are busy
 *          -> answered: UP, and the probe: START TRANSACTION, writes that change nothing,
 *          ROLLBACK
 * States:  DOWN: a ping fails, or is not answered. DEGRADED: a ping finds no connection while the
 *          server greets new ones, or is not answered while other statements are, or a probe fails.
 *
 * A timeout is checked again a moment later: when the loop itself was held, answers may lie unread
 * in the socket.
 */
#include "core/sql/sql_health.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/sql/sql_query.h"
#include "core/sql/sql_tx.h"
#include "core/telemetry/log.h"

/* How long a ping or a probe may take. */
#define ANSWER_MS UINT64_C(800)
#define LATE_MS   UINT64_C(100) /* of it, for the second look at a timeout */

struct sql_checks {
    struct sql *sql;
    struct sql_query ping;
    struct wheel_timer ping_timer;
    bool is_ping_late; /* its time is up, and the second look is due */
    struct sql_tx probe;
    struct sql_query probe_query;
    size_t probe_index; /* of options.probes */
    uint64_t probe_start_ns;
    bool is_probing;
    struct sql_query kill;
    char kill_text[32];
};

/* --- states --- */

/* log_state logs the state, with its reason and error. */
static void log_state(const struct sql *sql, enum log_level level, const char *message)
{
    struct log_field fields[5] = {log_cstr("host", sql->options.host),
                                  log_u64("port", sql->options.port)};
    size_t count = 2;
    if (sql->reason[0] != '\0') {
        fields[count++] = log_cstr("reason", sql->reason);
    }
    if (sql->state != SQL_UP && sql->error_code != 0) {
        fields[count++] = log_u64("code", sql->error_code);
    }
    if (sql->state != SQL_UP && sql->error[0] != '\0') {
        fields[count++] = log_cstr("error", sql->error);
    }
    log_event(level, "sql", message, fields, count);
}

/* enter changes the state, and logs a change. */
static void enter(struct sql *sql, enum sql_state state, const char *reason)
{
    static const char *const messages[] = {[SQL_CONNECTING] = "database is not reached yet",
                                           [SQL_UP] = "database is up",
                                           [SQL_DEGRADED] = "database is degraded",
                                           [SQL_DOWN] = "database is down"};
    const bool is_news = state != sql->state || strcmp(reason, sql->reason) != 0;
    const bool is_first = sql->state == SQL_CONNECTING && state == SQL_UP;
    sql->state = state;
    sql->reason = reason;
    if (is_news) {
        log_state(sql, is_first ? LOG_INFO : LOG_WARN, messages[state]);
    }
}

static void keep_error(struct sql *sql, unsigned code, const char *error)
{
    sql->error_code = code;
    (void)snprintf(sql->error, sizeof(sql->error), "%s", error);
}

static void set_down(struct sql *sql, unsigned code, const char *error)
{
    const struct sql_error told = {.code = code, .message = str_from(error)};
    const int status = code == 0 ? 0 : sql_error_meaning(code, "").status;
    keep_error(sql, code, error);
    enter(sql, SQL_DOWN, "");
    sql_pool_refuse_all(sql, status < 0 ? status : UV_ENOTCONN, &told);
    sql_pool_close_idle(sql);
}

static void set_up(struct sql *sql)
{
    if (sql->state != SQL_DEGRADED) {
        enter(sql, SQL_UP, "");
    }
}

static void set_degraded(struct sql *sql, const char *reason, unsigned code, const char *error)
{
    keep_error(sql, code, error);
    enter(sql, SQL_DEGRADED, reason);
}

/* --- the probe --- */

/* run_probe runs the next statement; after the last one it rolls back, with UV_ECANCELED. */
static void run_probe(struct sql *sql)
{
    const char *text = sql->options.probes[sql->checks->probe_index];
    int status = UV_ECANCELED;
    if (text != NULL) {
        sql->checks->probe_query.text = str_from(text);
        status = sql_tx_query(&sql->checks->probe, &sql->checks->probe_query);
    }
    if (status < 0) {
        sql_tx_rollback(&sql->checks->probe, status);
    }
}

static void on_probe_run(struct sql_tx *tx)
{
    struct sql *sql = tx->sql;
    sql->checks->probe_index = 0;
    run_probe(sql);
}

static void on_probe_answered(struct sql_query *query)
{
    struct sql *sql = query->sql;
    const int status = query->result.status;
    if (status < 0) {
        sql_tx_rollback(&sql->checks->probe, status);
        return;
    }
    sql->checks->probe_index++;
    run_probe(sql);
}

static const char *reason_of(int status)
{
    switch (status) {
    case UV_EROFS:
        return "it takes no writes";
    case UV_ETIMEDOUT:
        return "writes get no answer";
    case UV_EBUSY:
        return "it has no room for writes";
    case UV_EACCES:
        return "writes are not allowed";
    default:
        return NULL; /* the server is away, as the next ping finds; or a table is missing */
    }
}

/* is_late tells whether the loop was held, so that a timeout says nothing of the server. */
static bool is_late(uint64_t start_ns)
{
    return clock_now_ns() - start_ns > (ANSWER_MS + LATE_MS + 2 * WHEEL_TICK_MS) * NS_PER_MS;
}

static void on_probed(struct sql_tx *tx)
{
    struct sql *sql = tx->sql;
    const char *reason = reason_of(tx->status);
    sql->checks->is_probing = false;
    if (sql->state == SQL_DOWN ||
        (tx->status == UV_ETIMEDOUT && is_late(sql->checks->probe_start_ns))) {
        return;
    }
    if (reason != NULL) {
        set_degraded(sql, reason, tx->error.code, uv_strerror(tx->status));
    } else if (tx->status == UV_ECANCELED) {
        enter(sql, SQL_UP, ""); /* run_probe has reached its end */
    }
}

static void start_probe(struct sql *sql)
{
    if (sql->options.probes == NULL) {
        enter(sql, SQL_UP, "");
        return;
    }
    if (sql->checks->is_probing) {
        return; /* since the last ping */
    }
    sql->checks->probe = (struct sql_tx){
        .run = on_probe_run,
        .on_done = on_probed,
        .timeout_ms = ANSWER_MS,
        .is_own = true,
    };
    sql->checks->probe_query = (struct sql_query){.on_done = on_probe_answered};
    sql->checks->probe_start_ns = clock_now_ns();
    sql->checks->is_probing =
        sql_tx_start(sql, &sql->checks->probe) == 0; /* else the next ping tries again */
}

/* --- the ping --- */

static void on_pinged(struct sql_query *query)
{
    struct sql *sql = query->sql;
    const struct sql_result *result = &query->result;
    wheel_unset(&sql->checks->ping_timer);
    if (result->status == UV_ECANCELED) {
        return;
    }
    if (result->status < 0) {
        set_down(sql, result->error.code, uv_strerror(result->status));
        return;
    }
    sql->latency_ns = clock_now_ns() - query->start_ns;
    set_up(sql);
    start_probe(sql);
}

/* is_greeting_late tells whether an attempt to connect gets no answer from the server. */
static bool is_greeting_late(const struct sql *sql)
{
    const uint64_t now_ns = clock_now_ns();
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &sql->dialing)
    {
        const struct sql_conn *conn = CONTAINER_OF(pos, struct sql_conn, link);
        const uint64_t start_ns = atomic_load_explicit(&conn->dial_start_ns, memory_order_relaxed);
        if (start_ns != 0 && now_ns - start_ns > (ANSWER_MS - LATE_MS) * NS_PER_MS) {
            return true;
        }
    }
    return false;
}

/* is_answering tells whether another statement was answered a moment ago: a server has a thread for
 * each connection, and one of them may be waiting for a processor. */
static bool is_answering(const struct sql *sql)
{
    return sql->answered_ms != 0 && loop_now_ms(sql->loop) - sql->answered_ms < ANSWER_MS / 2;
}

static void on_ping_late(struct wheel_timer *timer)
{
    struct sql *sql = CONTAINER_OF(timer, struct sql_checks, ping_timer)->sql;
    if (!sql->checks->is_ping_late) {
        sql->checks->is_ping_late =
            true; /* an answer that has arrived is read before this fires again */
        loop_set_timer(sql->loop, &sql->checks->ping_timer, LATE_MS);
        return;
    }
    const bool was_asked = sql->checks->ping.state == QUERY_RUNNING;
    sql_query_detach(&sql->checks->ping);
    if (was_asked && is_answering(sql)) {
        set_degraded(sql, "a statement gets no answer", 0, "others are answered");
    } else if (was_asked || (sql->state != SQL_CONNECTING && is_greeting_late(sql))) {
        set_down(sql, 0, "no answer");
    } else if (sql->state != SQL_DOWN && sql->stats.open > 0) {
        set_degraded(sql, "every connection is busy", 0, "no connection became free");
    }
}

static void ping(struct sql *sql)
{
    if (sql->checks->ping.state != QUERY_IDLE) {
        return;
    }
    sql->checks->ping = (struct sql_query){
        .text = STR("DO 1"),
        .lease = {.is_first = true, .is_own = true, .is_extra = true},
        .is_own = true,
        .on_done = on_pinged,
    };
    sql_query_prepare(sql, &sql->checks->ping);
    sql->checks->is_ping_late = false;
    if (sql_query_submit(sql, &sql->checks->ping) == 0 && sql->checks->ping.state != QUERY_DONE) {
        loop_set_timer(sql->loop, &sql->checks->ping_timer, ANSWER_MS - LATE_MS);
    }
}

/* --- statements to be killed --- */

static void on_killed(struct sql_query *query)
{
    query->sql->is_killing = false; /* a failure is fine: the statement has ended by itself */
}

/* is_same_server tells whether the thread id in `kill` is still valid for the server of this
 * connection. A restarted server counts from 1 again: so the connection must be older than the
 * note, or have a higher id itself. */
static bool is_same_server(const struct sql_conn *conn, const struct sql_kill *kill)
{
    return conn->number <= kill->connects || mysql_thread_id(conn->mysql) > kill->thread_id;
}

static void on_kill_granted(struct sql_lease *lease)
{
    struct sql_checks *checks = CONTAINER_OF(lease, struct sql_checks, kill.lease);
    struct sql *sql = checks->sql;
    const struct sql_kill *kill = &sql->kills[--sql->kill_count];
    if (!is_same_server(lease->conn, kill)) {
        sql->is_killing = false;
        sql_pool_put(lease->conn);
        return;
    }
    (void)snprintf(checks->kill_text, sizeof(checks->kill_text), "KILL %lu", kill->thread_id);
    checks->kill.text = str_from(checks->kill_text);
    sql_query_run(&checks->kill, lease->conn);
    sql_query_set_timer(&checks->kill, sql->options.ping_ms);
}

static void start_kill(struct sql *sql)
{
    struct sql_query *query = &sql->checks->kill;
    sql->is_killing = true;
    *query = (struct sql_query){
        .is_command = true,
        .is_own = true,
        .lease = {.is_kill = true},
        .on_done = on_killed,
    };
    sql_query_prepare(sql, query);
    query->lease.granted = on_kill_granted;
    sql_pool_take(sql, &query->lease);
}

/* --- opening, and what the pool tells --- */

static void on_greeted(struct sql *sql)
{
    if (sql->state == SQL_CONNECTING) {
        set_up(sql);
    } else if (sql->state == SQL_DOWN) {
        ping(sql); /* it greets, but may not answer */
    }
}

static const struct sql_pool_events pool_events = {
    .greeted = on_greeted,
    .down = set_down,
    .check = ping,
    .kill = start_kill,
};

int sql_health_open(struct sql *sql)
{
    sql->checks = calloc(1, sizeof(*sql->checks));
    if (sql->checks == NULL) {
        return UV_ENOMEM;
    }
    sql->checks->sql = sql;
    sql->reason = "";
    sql->events = &pool_events;
    wheel_timer_init(&sql->checks->ping_timer, on_ping_late);
    return 0;
}

void sql_health_stop(struct sql *sql)
{
    wheel_unset(&sql->checks->ping_timer);
    sql_query_cancel(&sql->checks->ping);
    sql_query_cancel(&sql->checks->kill);
    sql_tx_cancel(&sql->checks->probe);
}

void sql_health_close(struct sql *sql)
{
    free(sql->checks);
}

struct sql_health sql_get_health(const struct sql *sql)
{
    return (struct sql_health){
        .state = sql->state,
        .reason = sql->reason,
        .latency_ns = sql->latency_ns,
        .error_code = sql->error_code,
        .error = sql->error,
    };
}
