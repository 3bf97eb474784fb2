/* SPDX-License-Identifier: MIT
 *
 * sql_pool.h - leases of connections, and how many connections there are.
 *
 * Flow:   sql_pool_submit -> granted, now or when a connection is free -> statements run on
 *         lease->conn -> sql_pool_put, or sql_pool_drop
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_POOL_H
#define TOQ_CORE_SQL_SQL_POOL_H

#include "core/sql/sql_conn.h"
#include "core/sql/sql_error.h"
#include "core/sql/sql_statements.h"

#define SQL_DIALS_MAX 2  /* attempts to connect at once: each takes a thread */
#define SQL_KILLS_MAX 64 /* abandoned statements that are to be killed */

/* The callbacks of the layer above. */
struct sql_pool_events {
    void (*greeted)(struct sql *sql); /* a connection was opened */
    /* An attempt to connect has failed, and no connection is open. */
    void (*down)(struct sql *sql, unsigned code, const char *text);
    void (*check)(struct sql *sql); /* options.ping_ms have passed */
    /* A connection is idle, and there is a statement to be killed: kill_count is above 0. */
    void (*kill)(struct sql *sql);
};

/* An abandoned statement, to be killed on the server. */
struct sql_kill {
    unsigned long thread_id; /* the server's id of the connection that ran it */
    uint64_t connects;       /* stats.connects at that time */
};

struct sql_checks;

/* The pool, and what the layers above keep about the server. */
struct sql {
    struct loop *loop;
    struct sql_dialer dialer;
    const struct sql_pool_events *events;
    struct sql_options options; /* defaults filled in */
    size_t packet_bytes;        /* max_packet_bytes, or what the server takes */
    struct list dialing;
    struct list idle; /* of struct sql_conn, as are its neighbours; the most recently used first */
    struct list busy;
    struct list closing;
    struct list waiters;    /* struct sql_lease, the longest waiting first */
    size_t own_waiters;     /* ... with is_own */
    size_t extra_waiters;   /* ... with is_extra */
    struct sql_stats stats; /* but for `waiters` and `prepares`, see sql_get_stats */
    struct sql_kill kills[SQL_KILLS_MAX];
    size_t kill_count;
    bool is_killing;         /* a KILL is under way */
    struct wheel_timer rest; /* after a failed attempt */
    uint64_t rest_ms;        /* of the next pause */
    struct wheel_timer upkeep;
    uint64_t ping_due_ms;
    struct loop_deferred dispatch; /* waiters to connections */
    struct loop_deferred closed;   /* sql_open.c's: the last connection has closed */
    bool is_resting;
    bool is_closing;

    /* sql_health.c's */
    struct sql_checks *checks;
    enum sql_state state;
    const char *reason; /* of SQL_DEGRADED, a literal; else "" */
    uint64_t latency_ns;
    uint64_t answered_ms; /* loop_now_ms when the server last answered a statement */
    unsigned error_code;
    char error[SQL_ERROR_BYTES];

    struct list txs;                   /* sql_tx.c's */
    struct metric_histogram *duration; /* of queries; NULL until sql_register_metrics */
    struct sql_statements statements;
    void (*on_closed)(void *arg); /* sql_open.c's, as is the next */
    void *on_closed_arg;
};

/* sql_pool_submit asks for a connection. If one is idle, `granted` runs before this returns; else
 * lease->is_waiting is set.
 *
 * lease:   the callbacks and the kind (is_first ...) are set; everything else is zero.
 * Returns: 0; UV_EBUSY, UV_ENOTCONN, UV_ECANCELED: as sql_query_start.
 */
MUST_USE int sql_pool_submit(struct sql *sql, struct sql_lease *lease);

/* sql_pool_requeue puts a lease at the front of the queue. */
void sql_pool_requeue(struct sql *sql, struct sql_lease *lease);

/* sql_pool_withdraw takes a lease out of the queue; harmless when it does not wait. */
void sql_pool_withdraw(struct sql *sql, struct sql_lease *lease);

/* sql_pool_take grants a lease at once; a connection is idle. */
void sql_pool_take(struct sql *sql, struct sql_lease *lease);

/* sql_pool_put gives a connection back, for the lease that waits longest. */
void sql_pool_put(struct sql_conn *conn);

/* sql_pool_drop closes a connection that cannot be used any more, and makes room for another; its
 * lease loses it.
 *
 * must_kill: the server may still execute an abandoned statement, which is to be killed.
 */
void sql_pool_drop(struct sql_conn *conn, bool must_kill);

/* sql_pool_waiters is the number of leases that wait for a connection, without the pool's own. */
size_t sql_pool_waiters(const struct sql *sql);

/* sql_pool_refuse_all runs `refused` of every lease that waits.
 *
 * error: NULL for none.
 */
void sql_pool_refuse_all(struct sql *sql, int status, const struct sql_error *error);

/* sql_pool_close_idle closes the idle connections. */
void sql_pool_close_idle(struct sql *sql);

/* sql_pool_start begins to dial, and to maintain the idle connections. */
void sql_pool_start(struct sql *sql);

/* sql_pool_stop closes idle connections and cancels attempts to connect; nothing new begins. */
void sql_pool_stop(struct sql *sql);

#endif
