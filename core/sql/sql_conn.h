/* SPDX-License-Identifier: MIT
 *
 * sql_conn.h - the lowest layer: a connection to the server, dialed by a worker thread, then polled
 * by the loop. The layer above has a table of callbacks.
 *
 * Layers:  sql_health.c  checks whether the server answers and takes writes; kills statements
 *          sql_tx.c      a transaction: a lease that it keeps
 *          sql_query.c   one query: a lease, its deadline, its retry
 *          sql_pool.c    leases connections; dials and closes them
 *          sql_exec.c    the steps of one statement on its connection
 *          sql_stmt.c    prepared statements: cache, parameters, rows
 *          sql_conn.c    the socket on the loop
 *
 * Each calls those below it. Those below run callbacks: struct sql_conn_events, sql_ended_fn,
 * struct sql_lease of sql.h, struct sql_pool_events of sql_pool.h.
 *
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_CONN_H
#define TOQ_CORE_SQL_SQL_CONN_H

#include <mysql.h>
#include <stdatomic.h>

#include "core/loop/pool.h"
#include "core/sql/sql.h"

#define SQL_ERROR_BYTES 256 /* of the text kept about the last failed attempt */

struct sql_dialer;
struct sql_outcome;
struct sql_stmt;

/* A sql_ended_fn runs when a statement has ended and left its connection.
 *
 * outcome: borrowed until it returns. */
typedef void (*sql_ended_fn)(struct sql_conn *conn, struct sql_query *query,
                             const struct sql_outcome *outcome);

/* The callbacks of the layer above. */
struct sql_conn_events {
    /* The connection is open and idle. */
    void (*opened)(struct sql_conn *conn);
    /* An attempt has failed, and its struct is about to be freed. code: MySQL's, or 0. */
    void (*failed)(struct sql_conn *conn, unsigned code, const char *text);
    /* The socket is ready for `wait`, MYSQL_WAIT_*, or broken. */
    void (*ready)(struct sql_conn *conn, int wait);
    /* The connection has closed, and its struct has been freed. */
    void (*gone)(struct sql_dialer *dialer);
};

/* What the connections of a pool share. */
struct sql_dialer {
    struct loop *loop;
    struct pool *threads; /* for attempts to connect */
    const struct sql_options *options;
    const struct sql_conn_events *events;
    uint64_t prepares; /* statements prepared: counted by sql_exec.c */
};

/* What the library is doing on a connection: sql_exec.c. */
enum sql_op { OP_NONE, OP_COMMAND, OP_EVICT, OP_PREPARE, OP_EXECUTE, OP_FETCH };

/* Room for the parameters of a statement while it starts: sql_stmt.c. */
struct sql_params {
    MYSQL_BIND *binds;
    MYSQL_TIME *times; /* of those that are dates */
    size_t cap;
};

/* Owned by sql_conn.c until `opened`, then by the layer above until sql_conn_close. */
struct sql_conn {
    struct list link; /* the owner's: among the pool's dialing, idle, busy or closing ones */
    struct sql_dialer *dialer;
    MYSQL *mysql;
    uv_poll_t poll;
    int poll_fd;   /* our duplicate of the library's descriptor; see sql_conn.c */
    int poll_mask; /* the events that are armed */
    struct pool_job job;
    atomic_uint_fast64_t dial_start_ns; /* when the job began; 0: not yet */
    bool is_dialed;                     /* the job has connected ... */
    bool is_in_clear;                   /* ... without the TLS that is required */
    char why[SQL_ERROR_BYTES];          /* the job failed; "": see the library's text */
    size_t packet_bytes;                /* the server's max_allowed_packet; 0: not known */

    /* sql_stmt.c's */
    struct list stmts;
    size_t stmt_count;
    struct sql_params params; /* grows to the most that a statement of it has had */

    /* sql_exec.c's */
    enum sql_op op;
    int ret_int; /* where the suspended call leaves its result */
    my_bool ret_bool;
    struct sql_stmt *stmt;   /* of the current op */
    struct sql_query *query; /* that it runs; NULL: none */
    sql_ended_fn on_ended;   /* for its end */

    /* sql_pool.c's */
    struct sql_lease *lease; /* that has it; NULL: none */
    uint64_t number;         /* counts the connections of the pool, from 1 */
    uint64_t expires_ms;     /* loop time */
    uint64_t idle_ms;        /* loop time since when it is idle */
    bool is_idle;
};

/* sql_conn_dial begins to connect on a worker thread; `opened` or `failed` runs later.
 *
 * Returns: 0 with *ret_conn set; UV_ENOMEM, or what pool_submit says.
 */
MUST_USE int sql_conn_dial(struct sql_dialer *dialer, struct sql_conn **ret_conn);

/* sql_conn_wait arms the poll handle for what the library waits for; 0: an idle connection. */
void sql_conn_wait(struct sql_conn *conn, int wait);

/* sql_conn_forget_tls_errors empties OpenSSL's error queue of the calling thread, before each call
 * of the library: with the errors of a broken connection in it, the library would take another
 * one's "try again" for an error. */
void sql_conn_forget_tls_errors(const struct sql_conn *conn);

/* sql_conn_close ends a connection on which no call of the library is suspended. It never blocks.
 * `gone` runs when the poll handle has closed. */
void sql_conn_close(struct sql_conn *conn);

#endif
