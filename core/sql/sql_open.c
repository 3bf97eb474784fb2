/* SPDX-License-Identifier: MIT
 *
 * sql_open.c - the pool and the layers above it, opened and closed.
 */
#include "core/sql/sql.h"

#include <stdlib.h>

#include "core/sql/sql_health.h"
#include "core/sql/sql_query.h"
#include "core/sql/sql_tx.h"

static size_t pool_count; /* open pools: the library is initialized while there are any */

static size_t size_or(size_t value, size_t value_default)
{
    return value != 0 ? value : value_default;
}

static uint64_t ms_or(uint64_t value_ms, uint64_t default_ms)
{
    return value_ms != 0 ? value_ms : default_ms;
}

static struct sql_options with_defaults(const struct sql_options *options)
{
    struct sql_options o = *options;
    o.max_connections = size_or(o.max_connections, 16);
    o.max_waiters = size_or(o.max_waiters, 1024);
    o.max_statements = size_or(o.max_statements, 64);
    o.max_packet_bytes = size_or(o.max_packet_bytes, 16u << 20);
    o.query_timeout_ms = ms_or(o.query_timeout_ms, 30000);
    o.connect_timeout_ms = ms_or(o.connect_timeout_ms, 5000);
    o.max_lifetime_ms = ms_or(o.max_lifetime_ms, 240000); /* middleboxes cut after 5 minutes */
    o.max_idle_ms = ms_or(o.max_idle_ms, 60000);
    o.ping_ms = ms_or(o.ping_ms, 5000);
    return o;
}

/* destroy_dialers: no attempt to connect is under way any more. */
static void destroy_dialers(struct sql *sql)
{
    const bool is_gone = pool_destroy(sql->dialer.threads, 0);
    INVARIANT(is_gone);
}

static void run_closed(struct loop_deferred *deferred)
{
    struct sql *sql = CONTAINER_OF(deferred, struct sql, closed);
    void (*const on_closed)(void *arg) = sql->on_closed;
    void *arg = sql->on_closed_arg;
    destroy_dialers(sql);
    sql_health_close(sql);
    free(sql);
    pool_count--;
    if (pool_count == 0) {
        mysql_library_end();
    }
    on_closed(arg);
}

int sql_open(struct loop *loop, const struct sql_options *options, struct sql **ret_sql)
{
    const struct pool_options dialers = {
        .name = "toq-mysql-pool",
        .kind = "mysql",
        .threads = SQL_DIALS_MAX,
        .queue_max = SQL_DIALS_MAX,
    };
    struct sql *sql = calloc(1, sizeof(*sql));
    if (sql == NULL) {
        return UV_ENOMEM;
    }
    if (pool_create(&dialers, &sql->dialer.threads) < 0) {
        goto err_free;
    }
    if (sql_health_open(sql) < 0) {
        goto err_destroy_dialers;
    }
    if (pool_count == 0 && mysql_library_init(0, NULL, NULL) != 0) {
        goto err_close_health;
    }
    pool_count++;
    sql->loop = loop;
    sql->options = with_defaults(options);
    sql->packet_bytes = sql->options.max_packet_bytes;
    sql->stats.max_connections = sql->options.max_connections;
    sql->closed.run = run_closed;
    struct list *const lists[] = {&sql->dialing, &sql->idle, &sql->busy,       &sql->closing,
                                  &sql->waiters, &sql->txs,  &sql->closed.link};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        list_init(lists[i]);
    }
    sql->dialer.loop = loop;
    sql->dialer.options = &sql->options;
    sql_pool_start(sql);
    *ret_sql = sql;
    return 0;

err_close_health:
    sql_health_close(sql);
err_destroy_dialers:
    destroy_dialers(sql);
err_free:
    free(sql);
    return UV_ENOMEM;
}

void sql_close(struct sql *sql, void (*on_closed)(void *arg), void *arg)
{
    REQUIRE(!sql->is_closing);
    sql->is_closing = true;
    sql->on_closed = on_closed;
    sql->on_closed_arg = arg;
    sql_health_stop(sql);
    while (!list_is_empty(&sql->txs)) {
        sql_tx_fail(CONTAINER_OF(sql->txs.next, struct sql_tx, link), UV_ECANCELED);
    }
    while (!list_is_empty(&sql->busy)) {
        sql_query_fail(CONTAINER_OF(sql->busy.next, struct sql_conn, link)->query, UV_ECANCELED);
    }
    sql_pool_refuse_all(sql, UV_ECANCELED, NULL);
    sql_pool_stop(sql);
}

size_t sql_packet_bytes(const struct sql *sql)
{
    return sql->packet_bytes;
}

uint64_t sql_query_timeout_ms(const struct sql *sql)
{
    return sql->options.query_timeout_ms;
}

struct sql_stats sql_get_stats(const struct sql *sql)
{
    struct sql_stats stats = sql->stats;
    stats.waiters = sql_pool_waiters(sql);
    stats.prepares = sql->dialer.prepares;
    return stats;
}
