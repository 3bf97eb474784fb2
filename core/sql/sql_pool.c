/* SPDX-License-Identifier: MIT
 *
 * sql_pool.c - who gets which connection, and how many there are.
 *
 * The connection used last is used next, so what is idle longest ends first. Whoever waits longest
 * is served first. Waiters are served at the end of the turn, after the callbacks of what ended in
 * it; so one that ends at once never runs the next one from inside itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/sql/sql_internal.h"
#include "core/telemetry/log.h"

#define UPKEEP_MS   500
#define REST_MIN_MS 100
#define REST_MAX_MS 1000

static struct sql_conn *conn_of(struct list *link)
{
    return CONTAINER_OF(link, struct sql_conn, link);
}

static bool is_refusing(const struct sql *sql)
{
    return sql->state == SQL_DOWN;
}

/* --- dialing -------------------------------------------------------------------------------------
 */

/* wanted is how many connections are missing. */
static size_t wanted(const struct sql *sql)
{
    const struct sql_stats *s = &sql->stats;
    size_t count = s->waiters;
    if (s->idle < sql->options.min_idle) {
        count += sql->options.min_idle - s->idle;
    }
    if (count == 0 && (is_refusing(sql) || (sql->kill_count > 0 && s->open == 0))) {
        count = 1; /* to see whether the server is back, or to tell it what to stop */
    }
    /* the ping must not wait for others: it has a connection beyond the others' when they have
     * all */
    const size_t max = s->max_connections + (sql->ping.state == QUERY_WAITING ? 1 : 0);
    const size_t room = s->open < max ? max - s->open : 0;
    return count < room ? count : room;
}

static void grow(struct sql *sql)
{
    if (sql->is_closing || sql->is_resting) {
        return;
    }
    const size_t dials_max = sql->state == SQL_DOWN ? 1 : SQL_DIALS_MAX;
    while (sql->stats.dialing < dials_max && sql->stats.dialing < wanted(sql)) {
        if (sql_conn_dial(sql) < 0) {
            return; /* upkeep tries again */
        }
        sql->stats.dialing++;
    }
}

static void on_rested(struct wheel_timer *timer)
{
    struct sql *sql = CONTAINER_OF(timer, struct sql, rest);
    sql->is_resting = false;
    grow(sql);
}

/* rest keeps off the server for a while, at random, so that not all its clients return at once. */
static void rest(struct sql *sql)
{
    const uint16_t noise = random_u16();
    sql->is_resting = true;
    loop_set_timer(sql->loop, &sql->rest, sql->rest_ms / 2 + sql->rest_ms / 2 * noise / 65536);
    sql->rest_ms = sql->rest_ms * 2 < REST_MAX_MS ? sql->rest_ms * 2 : REST_MAX_MS;
}

void sql_pool_fail_waiters(struct sql *sql, int status, const struct sql_error *error)
{
    while (!list_is_empty(&sql->waiters)) {
        struct sql_query *query = CONTAINER_OF(sql->waiters.next, struct sql_query, link);
        if (error != NULL) {
            sql_query_set_error(query, error);
        }
        sql_query_fail(query, status);
    }
}

static void check_closed(struct sql *sql)
{
    if (sql->is_closing && sql->stats.open == 0 && sql->stats.dialing == 0 &&
        list_is_empty(&sql->closing)) {
        loop_defer(sql->loop, &sql->closed);
    }
}

static void on_dial_failed(struct sql *sql, unsigned code, const char *text)
{
    sql->stats.connect_failures++;
    rest(sql);
    if (sql->stats.open == 0) {
        sql_health_set_down(sql, code, text);
    }
}

void sql_pool_on_dialed(struct sql *sql, struct sql_conn *conn, unsigned code, const char *error)
{
    sql->stats.dialing--;
    if (conn != NULL) {
        sql->stats.connects++;
        sql->stats.open++;
        conn->number = sql->stats.connects;
        const size_t max_bytes = sql->options.max_packet_bytes;
        sql->packet_bytes = conn->packet_bytes != 0 && conn->packet_bytes < max_bytes
                                ? conn->packet_bytes
                                : max_bytes;
        list_push_back(&sql->busy, &conn->link);
        if (!sql->is_closing) {
            sql->rest_ms = REST_MIN_MS;
            if (sql->state == SQL_CONNECTING) {
                sql_health_set_up(sql);
            } else if (sql->state == SQL_DOWN) {
                sql_health_ping(sql); /* it greets; whether it answers is another question */
            }
        }
        sql_pool_put(conn);
    } else if (!sql->is_closing) {
        on_dial_failed(sql, code, error);
    }
    check_closed(sql);
}

void sql_pool_on_conn_closed(struct sql *sql)
{
    check_closed(sql);
}

/* --- connections in and out ----------------------------------------------------------------------
 */

/* give hands the connection that was used last to a query. */
static void give(struct sql_query *query)
{
    struct sql *sql = query->sql;
    struct sql_conn *conn = conn_of(sql->idle.next);
    list_unlink(&conn->link);
    list_push_back(&sql->busy, &conn->link);
    sql->stats.idle--;
    conn->is_idle = false;
    if (query->tx != NULL) {
        conn->tx = query->tx;
        query->tx->conn = conn;
    }
    if (query->task != NULL) {
        task_park_for(query->task, "mysql", query->name);
    }
    sql_exec_start(conn, query);
}

/* is_same_server tells whether the number in `kill` means on this connection what it meant when it
 * was noted. A server that has been restarted counts anew: so the connection must be older than the
 * note, or have a higher number itself. */
static bool is_same_server(const struct sql_conn *conn, const struct sql_kill *kill)
{
    return conn->number <= kill->connects || mysql_thread_id(conn->mysql) > kill->thread_id;
}

static void start_kill(struct sql *sql)
{
    sql->kill_count--;
    const struct sql_kill *kill = &sql->kills[sql->kill_count];
    if (!is_same_server(conn_of(sql->idle.next), kill)) {
        return;
    }
    (void)snprintf(sql->kill_text, sizeof(sql->kill_text), "KILL %lu", kill->thread_id);
    sql->kill.text = str_from(sql->kill_text);
    sql_query_prepare(sql, &sql->kill);
    give(&sql->kill);
    sql_query_set_timer(&sql->kill, sql->options.ping_ms);
}

/* The pool's own checks may have a connection of their own: what they wait for tells of no
 * request. */
static bool is_own_check(const struct sql *sql, const struct sql_query *query)
{
    return query == &sql->ping || query == &sql->probe.control;
}

static void dispatch(struct loop_deferred *deferred)
{
    struct sql *sql = CONTAINER_OF(deferred, struct sql, dispatch);
    if (sql->kill_count > 0 && sql->kill.state == QUERY_IDLE && sql->stats.idle > 0) {
        start_kill(sql);
    }
    while (sql->stats.idle > 0 && !list_is_empty(&sql->waiters)) {
        struct sql_query *query = CONTAINER_OF(sql->waiters.next, struct sql_query, link);
        list_unlink(&query->link);
        sql->stats.waiters--;
        sql->stats.wait_ns += is_own_check(sql, query) ? 0 : clock_now_ns() - query->start_ns;
        give(query);
    }
    grow(sql);
}

static void schedule(struct sql *sql)
{
    const bool has_kill = sql->kill_count > 0 && sql->kill.state == QUERY_IDLE;
    if (!sql->is_closing && (has_kill || sql->stats.waiters > 0)) {
        loop_defer(sql->loop, &sql->dispatch);
    }
}

/* leave takes a connection out of the pool and closes it. */
static void leave(struct sql_conn *conn)
{
    struct sql *sql = conn->sql;
    list_unlink(&conn->link);
    list_push_back(&sql->closing, &conn->link);
    sql->stats.open--;
    sql->stats.idle -= conn->is_idle ? 1 : 0;
    sql_conn_close(conn);
}

void sql_pool_put(struct sql_conn *conn)
{
    struct sql *sql = conn->sql;
    if ((conn->mysql->server_status & SERVER_STATUS_IN_TRANS) != 0) {
        sql_pool_drop(conn, false); /* somebody wrote BEGIN; closing rolls it back */
        return;
    }
    const bool is_old = loop_now_ms(sql->loop) >= conn->expires_ms;
    if (sql->is_closing || is_old || sql->stats.open > sql->stats.max_connections) {
        sql->stats.max_lifetime_closed += is_old ? 1 : 0;
        leave(conn);
        grow(sql);
        return;
    }
    sql_conn_wait(conn, 0);
    conn->idle_ms = loop_now_ms(sql->loop);
    list_unlink(&conn->link);
    list_push_front(&sql->idle, &conn->link);
    sql->stats.idle++;
    conn->is_idle = true;
    schedule(sql);
}

static void note_kill(struct sql_conn *conn)
{
    struct sql *sql = conn->sql;
    const bool is_executing =
        conn->op == OP_EXECUTE || conn->op == OP_FETCH || conn->op == OP_COMMAND;
    if (is_executing && !sql->is_closing && conn->query != &sql->kill &&
        sql->kill_count < SQL_KILLS_MAX) {
        sql->kills[sql->kill_count++] = (struct sql_kill){
            .thread_id = mysql_thread_id(conn->mysql),
            .connects = sql->stats.connects,
        };
    }
}

void sql_pool_drop(struct sql_conn *conn, bool must_kill)
{
    struct sql *sql = conn->sql;
    if (must_kill) {
        note_kill(conn);
    }
    if (conn->tx != NULL) {
        conn->tx->conn = NULL;
        conn->tx = NULL;
    }
    conn->query = NULL;
    sql->stats.lost++;
    leave(conn);
    schedule(sql);
    grow(sql);
}

/* --- queries in ----------------------------------------------------------------------------------
 */

static void enqueue(struct sql *sql, struct sql_query *query)
{
    query->state = QUERY_WAITING;
    sql->stats.waiters++;
    sql->stats.waits += is_own_check(sql, query) ? 0 : 1;
    if (query->task != NULL) {
        task_park_for(query->task, "mysql pool", query->name);
    }
}

size_t sql_pool_waiters(const struct sql *sql)
{
    const size_t own = (sql->ping.state == QUERY_WAITING ? 1U : 0U) +
                       (sql->probe.control.state == QUERY_WAITING ? 1U : 0U);
    return sql->stats.waiters - own;
}

int sql_pool_submit(struct sql *sql, struct sql_query *query)
{
    if (sql->is_closing) {
        return UV_ECANCELED;
    }
    if (query->is_first) {
        list_push_front(&sql->waiters, &query->link);
        enqueue(sql, query);
        schedule(sql);
        grow(sql);
        return 0;
    }
    if (sql->stats.idle > 0 && list_is_empty(&sql->waiters) && !is_refusing(sql)) {
        give(query);
        return 0;
    }
    if (is_refusing(sql) || sql_pool_waiters(sql) >= sql->options.max_waiters) {
        sql->stats.refusals++;
        return is_refusing(sql) ? UV_ENOTCONN : UV_EBUSY;
    }
    list_push_back(&sql->waiters, &query->link);
    enqueue(sql, query);
    grow(sql);
    return 0;
}

void sql_pool_requeue(struct sql *sql, struct sql_query *query)
{
    list_push_front(&sql->waiters, &query->link);
    enqueue(sql, query);
    schedule(sql);
}

/* --- upkeep --------------------------------------------------------------------------------------
 */

static void close_old(struct sql *sql, uint64_t now_ms)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &sql->idle)
    {
        struct sql_conn *conn = conn_of(pos);
        if (now_ms >= conn->expires_ms) {
            sql->stats.max_lifetime_closed++;
            leave(conn);
        }
    }
    while (sql->stats.idle > sql->options.min_idle) {
        struct sql_conn *conn = conn_of(sql->idle.prev);
        if (now_ms - conn->idle_ms < sql->options.max_idle_ms) {
            break;
        }
        sql->stats.max_idle_closed++;
        leave(conn);
    }
}

void sql_pool_close_idle(struct sql *sql)
{
    while (!list_is_empty(&sql->idle)) {
        leave(conn_of(sql->idle.next));
    }
}

static void on_upkeep(struct wheel_timer *timer)
{
    struct sql *sql = CONTAINER_OF(timer, struct sql, upkeep);
    const uint64_t now_ms = loop_now_ms(sql->loop);
    close_old(sql, now_ms);
    grow(sql);
    schedule(sql);
    if (now_ms >= sql->ping_due_ms) {
        sql->ping_due_ms = now_ms + sql->options.ping_ms;
        sql_health_ping(sql);
    }
    loop_set_timer(sql->loop, &sql->upkeep, UPKEEP_MS);
}

void sql_pool_start(struct sql *sql)
{
    sql->rest_ms = REST_MIN_MS;
    sql->dispatch.run = dispatch;
    list_init(&sql->dispatch.link);
    wheel_timer_init(&sql->rest, on_rested);
    wheel_timer_init(&sql->upkeep, on_upkeep);
    loop_set_timer(sql->loop, &sql->upkeep, UPKEEP_MS);
    grow(sql);
}

void sql_pool_stop(struct sql *sql)
{
    struct list *pos;
    struct list *tmp;
    wheel_unset(&sql->rest);
    wheel_unset(&sql->upkeep);
    loop_undefer(&sql->dispatch);
    LIST_FOR_EACH(pos, tmp, &sql->dialing)
    {
        (void)pool_cancel(&conn_of(pos)->job); /* refused when it has begun */
    }
    sql_pool_close_idle(sql);
    check_closed(sql);
}
