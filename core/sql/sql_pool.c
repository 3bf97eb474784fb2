/* SPDX-License-Identifier: MIT
 *
 * sql_pool.c - leases of connections, dialing, upkeep.
 *
 * The connection used last is used next, so that the one idle longest is closed first. The lease
 * that waits longest is granted first. Waiting leases are granted at the end of the turn, after the
 * callbacks of the queries that ended in it; so a query that ends at once never runs the next one
 * from inside itself.
 */
#include "core/sql/sql_pool.h"

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/sql/sql_exec.h"

#define UPKEEP_MS   500
#define REST_MIN_MS 100
#define REST_MAX_MS 1000

static struct sql_conn *conn_of(struct list *link)
{
    return CONTAINER_OF(link, struct sql_conn, link);
}

static struct sql_lease *lease_of(struct list *link)
{
    return CONTAINER_OF(link, struct sql_lease, link);
}

static struct sql *pool_of(struct sql_dialer *dialer)
{
    return CONTAINER_OF(dialer, struct sql, dialer);
}

static bool is_refusing(const struct sql *sql)
{
    return sql->state == SQL_DOWN;
}

/* --- dialing --- */

/* wanted is the number of connections that are missing. */
static size_t wanted(const struct sql *sql)
{
    const struct sql_stats *s = &sql->stats;
    size_t count = s->waiters;
    if (s->idle < sql->options.min_idle) {
        count += sql->options.min_idle - s->idle;
    }
    if (count == 0 && (is_refusing(sql) || (sql->kill_count > 0 && s->open == 0))) {
        count = 1; /* to find out whether the server is back, or to send a KILL */
    }
    /* the ping must not wait: when all connections are busy it gets one more */
    const size_t max = s->max_connections + (sql->extra_waiters > 0 ? 1 : 0);
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
        struct sql_conn *conn;
        if (sql_conn_dial(&sql->dialer, &conn) < 0) {
            return; /* upkeep tries again */
        }
        list_push_back(&sql->dialing, &conn->link);
        sql->stats.dialing++;
    }
}

static void on_rested(struct wheel_timer *timer)
{
    struct sql *sql = CONTAINER_OF(timer, struct sql, rest);
    sql->is_resting = false;
    grow(sql);
}

/* rest pauses for a random time, so that not all clients of the server come back at once. */
static void rest(struct sql *sql)
{
    sql->is_resting = true;
    loop_set_timer(sql->loop, &sql->rest, sql->rest_ms / 2 + random_below(sql->rest_ms / 2));
    sql->rest_ms = sql->rest_ms * 2 < REST_MAX_MS ? sql->rest_ms * 2 : REST_MAX_MS;
}

static void check_closed(struct sql *sql)
{
    if (sql->is_closing && sql->stats.open == 0 && sql->stats.dialing == 0 &&
        list_is_empty(&sql->closing)) {
        loop_defer(sql->loop, &sql->closed);
    }
}

/* --- connections in and out --- */

static void enqueue(struct sql *sql, struct sql_lease *lease)
{
    lease->is_waiting = true;
    lease->start_ns = clock_now_ns();
    sql->stats.waiters++;
    sql->own_waiters += lease->is_own;
    sql->extra_waiters += lease->is_extra;
    sql->stats.waits += !lease->is_own;
}

void sql_pool_withdraw(struct sql *sql, struct sql_lease *lease)
{
    if (lease->is_waiting) {
        lease->is_waiting = false;
        list_unlink(&lease->link);
        sql->stats.waiters--;
        sql->own_waiters -= lease->is_own;
        sql->extra_waiters -= lease->is_extra;
    }
}

/* grant leases the connection that was used last. */
static void grant(struct sql *sql, struct sql_lease *lease)
{
    struct sql_conn *conn = conn_of(sql->idle.next);
    list_unlink(&conn->link);
    list_push_back(&sql->busy, &conn->link);
    sql->stats.idle--;
    conn->is_idle = false;
    conn->lease = lease;
    lease->conn = conn;
    lease->granted(lease);
}

void sql_pool_take(struct sql *sql, struct sql_lease *lease)
{
    REQUIRE(sql->stats.idle > 0);
    grant(sql, lease);
}

static bool must_kill_some(const struct sql *sql)
{
    return sql->kill_count > 0 && !sql->is_killing;
}

static void dispatch(struct loop_deferred *deferred)
{
    struct sql *sql = CONTAINER_OF(deferred, struct sql, dispatch);
    if (must_kill_some(sql) && sql->stats.idle > 0) {
        sql->events->kill(sql);
    }
    while (sql->stats.idle > 0 && !list_is_empty(&sql->waiters)) {
        struct sql_lease *lease = lease_of(sql->waiters.next);
        sql_pool_withdraw(sql, lease);
        sql->stats.wait_ns += lease->is_own ? 0 : clock_now_ns() - lease->start_ns;
        grant(sql, lease);
    }
    grow(sql);
}

static void schedule(struct sql *sql)
{
    if (!sql->is_closing && (must_kill_some(sql) || sql->stats.waiters > 0)) {
        loop_defer(sql->loop, &sql->dispatch);
    }
}

/* leave takes a connection out of the pool and closes it. */
static void leave(struct sql_conn *conn)
{
    struct sql *sql = pool_of(conn->dialer);
    list_unlink(&conn->link);
    list_push_back(&sql->closing, &conn->link);
    sql->stats.open--;
    sql->stats.idle -= conn->is_idle ? 1 : 0;
    sql_exec_close(conn);
}

/* end_lease takes a connection from its lease. */
static void end_lease(struct sql_conn *conn)
{
    if (conn->lease != NULL) {
        conn->lease->conn = NULL;
        conn->lease = NULL;
    }
}

void sql_pool_put(struct sql_conn *conn)
{
    struct sql *sql = pool_of(conn->dialer);
    if ((conn->mysql->server_status & SERVER_STATUS_IN_TRANS) != 0) {
        sql_pool_drop(conn, false); /* a statement was BEGIN: closing rolls it back */
        return;
    }
    end_lease(conn);
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
    struct sql *sql = pool_of(conn->dialer);
    const bool is_kill = conn->lease != NULL && conn->lease->is_kill;
    if (sql_exec_is_executing(conn) && !sql->is_closing && !is_kill &&
        sql->kill_count < SQL_KILLS_MAX) {
        sql->kills[sql->kill_count++] = (struct sql_kill){
            .thread_id = mysql_thread_id(conn->mysql),
            .connects = sql->stats.connects,
        };
    }
}

void sql_pool_drop(struct sql_conn *conn, bool must_kill)
{
    struct sql *sql = pool_of(conn->dialer);
    if (must_kill) {
        note_kill(conn);
    }
    end_lease(conn);
    conn->query = NULL;
    sql->stats.lost++;
    leave(conn);
    schedule(sql);
    grow(sql);
}

/* --- leases in --- */

size_t sql_pool_waiters(const struct sql *sql)
{
    return sql->stats.waiters - sql->own_waiters;
}

int sql_pool_submit(struct sql *sql, struct sql_lease *lease)
{
    if (sql->is_closing) {
        return UV_ECANCELED;
    }
    if (lease->is_first) {
        sql_pool_requeue(sql, lease);
        grow(sql);
        return 0;
    }
    if (sql->stats.idle > 0 && list_is_empty(&sql->waiters) && !is_refusing(sql)) {
        grant(sql, lease);
        return 0;
    }
    if (is_refusing(sql) || sql_pool_waiters(sql) >= sql->options.max_waiters) {
        sql->stats.refusals++;
        return is_refusing(sql) ? UV_ENOTCONN : UV_EBUSY;
    }
    list_push_back(&sql->waiters, &lease->link);
    enqueue(sql, lease);
    grow(sql);
    return 0;
}

void sql_pool_requeue(struct sql *sql, struct sql_lease *lease)
{
    list_push_front(&sql->waiters, &lease->link);
    enqueue(sql, lease);
    schedule(sql);
}

void sql_pool_refuse_all(struct sql *sql, int status, const struct sql_error *error)
{
    while (!list_is_empty(&sql->waiters)) {
        struct sql_lease *lease = lease_of(sql->waiters.next);
        sql_pool_withdraw(sql, lease);
        lease->refused(lease, status, error);
    }
}

/* --- events of connections --- */

/* lifetime_ms is shortened by up to a fifth, so that connections made together do not end
 * together. */
static uint64_t lifetime_ms(const struct sql_options *options)
{
    return options->max_lifetime_ms - random_below(options->max_lifetime_ms / 5);
}

static void on_opened(struct sql_conn *conn)
{
    struct sql *sql = pool_of(conn->dialer);
    const size_t max_bytes = sql->options.max_packet_bytes;
    sql->stats.dialing--;
    sql->stats.connects++;
    sql->stats.open++;
    conn->number = sql->stats.connects;
    conn->expires_ms = loop_now_ms(sql->loop) + lifetime_ms(&sql->options);
    sql->packet_bytes =
        conn->packet_bytes != 0 && conn->packet_bytes < max_bytes ? conn->packet_bytes : max_bytes;
    list_unlink(&conn->link);
    list_push_back(&sql->busy, &conn->link);
    if (!sql->is_closing) {
        sql->rest_ms = REST_MIN_MS;
        sql->events->greeted(sql);
    }
    sql_pool_put(conn);
    check_closed(sql);
}

static void on_failed(struct sql_conn *conn, unsigned code, const char *text)
{
    struct sql *sql = pool_of(conn->dialer);
    list_unlink(&conn->link);
    sql->stats.dialing--;
    if (!sql->is_closing) {
        sql->stats.connect_failures++;
        rest(sql);
        if (sql->stats.open == 0) {
            sql->events->down(sql, code, text);
        }
    }
    check_closed(sql);
}

static void on_ready(struct sql_conn *conn, int wait)
{
    if (conn->query != NULL) {
        sql_exec_resume(conn, wait);
    } else {
        sql_pool_drop(conn, false); /* it is idle: the server closed it, or is out of step */
    }
}

static void on_gone(struct sql_dialer *dialer)
{
    check_closed(pool_of(dialer));
}

static const struct sql_conn_events conn_events = {
    .opened = on_opened,
    .failed = on_failed,
    .ready = on_ready,
    .gone = on_gone,
};

/* --- upkeep --- */

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
        sql->events->check(sql);
    }
    loop_set_timer(sql->loop, &sql->upkeep, UPKEEP_MS);
}

void sql_pool_start(struct sql *sql)
{
    sql->rest_ms = REST_MIN_MS;
    sql->dialer.events = &conn_events;
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
        (void)pool_cancel(&conn_of(pos)->job); /* false when it has begun */
    }
    sql_pool_close_idle(sql);
    check_closed(sql);
}
