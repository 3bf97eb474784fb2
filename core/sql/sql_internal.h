/* SPDX-License-Identifier: MIT
 *
 * sql_internal.h - the pool, its connections and their statements, for the sql files alone.
 *
 * Layers:  sql_query.c, sql_tx.c  what callers see: one query, one transaction
 *          sql_health.c           is the server there, does it take writes
 *          sql_pool.c             who gets which connection; dialing, upkeep
 *          sql_exec.c             the steps of one query on its connection
 *          sql_stmt.c             prepared statements: cache, parameters, rows
 *          sql_conn.c             a connection: the socket on the loop, the library's coroutine
 */
#ifndef TOQ_CORE_SQL_SQL_INTERNAL_H
#define TOQ_CORE_SQL_SQL_INTERNAL_H

#include <mysql.h>
#include <stdatomic.h>

#include "core/loop/pool.h"
#include "core/sql/sql_error.h"
#include "core/sql/sql_statements.h"
#include "core/sql/sql_tx.h"

#define SQL_DIALS_MAX   2   /* attempts at once: each holds a thread */
#define SQL_KILLS_MAX   64  /* abandoned statements that the server is still to be told of */
#define SQL_ERROR_BYTES 256 /* of the text kept about the last failed attempt */

enum sql_query_state { QUERY_IDLE, QUERY_WAITING, QUERY_RUNNING, QUERY_DONE };

/* What the library is doing on a connection. */
enum sql_op { OP_NONE, OP_COMMAND, OP_EVICT, OP_PREPARE, OP_EXECUTE, OP_FETCH };

/* Where the library puts one column of the row it has read. */
struct sql_cell {
    union {
        int64_t i64;
        double f64;
        MYSQL_TIME time;
    };
    enum sql_type type;
    unsigned long len;
    my_bool is_null;
};

/* A prepared statement, owned by its connection. */
struct sql_stmt {
    struct list link; /* in the connection's cache, most recently used first */
    MYSQL_STMT *handle;
    struct sql_cell *cells; /* one a column; NULL until the first execution with rows */
    size_t cell_count;
    size_t text_len;
    char text[];
};

/* A statement that nobody waits for any more, to be ended on the server. */
struct sql_kill {
    unsigned long thread_id; /* the server's name for the connection that ran it */
    uint64_t connects;       /* the pool's count then */
};

/* Room for the parameters of a statement while it starts. */
struct sql_params {
    MYSQL_BIND *binds;
    MYSQL_TIME *times; /* of those that are dates */
    size_t cap;
};

/* Owned by the pool from the attempt to connect until the poll handle has closed. */
struct sql_conn {
    struct list link; /* among the pool's dialing, idle, busy or closing ones */
    struct sql *sql;
    MYSQL *mysql;
    uv_poll_t poll;
    int poll_fd;   /* our own descriptor of the library's socket; see sql_conn.c */
    int poll_mask; /* what is armed */
    enum sql_op op;
    int ret_int; /* where the suspended call leaves its result */
    my_bool ret_bool;
    struct sql_query *query; /* that it runs; NULL: none */
    struct sql_tx *tx;       /* that has checked it out; NULL: none */
    struct sql_stmt *stmt;   /* of the current op */
    struct list stmts;
    size_t stmt_count;
    struct sql_params params; /* grows to the most that a statement of it has had */
    uint64_t number;          /* the pool's how manieth */
    uint64_t expires_ms;      /* loop time */
    uint64_t idle_ms;         /* loop time since when it is idle */
    struct pool_job job;
    atomic_uint_fast64_t dial_start_ns; /* when the job began; 0: not yet */
    bool is_dialed;                     /* what the job found */
    bool is_in_clear;                   /* ... without the TLS that was demanded */
    char why[SQL_ERROR_BYTES];          /* it cannot be reached; "": the library knows */
    size_t packet_bytes;                /* the server takes at once; 0: it does not say */
    bool is_idle;
};

struct sql {
    struct loop *loop;
    struct pool *dialers;       /* threads for attempts to connect */
    struct sql_options options; /* defaults filled in */
    size_t packet_bytes;        /* max_packet_bytes, or what the server takes */
    struct list dialing;
    struct list idle; /* of struct sql_conn, as are its neighbours; the most recently used first */
    struct list busy;
    struct list closing;
    struct list waiters; /* struct sql_query, the longest waiting first */
    struct list txs;
    struct sql_stats stats; /* `open`, `waits` ... are kept in it */
    struct sql_kill kills[SQL_KILLS_MAX];
    size_t kill_count;
    struct sql_query kill;
    char kill_text[32];
    struct sql_query ping;
    struct wheel_timer ping_timer;
    struct sql_tx probe;
    struct sql_query probe_query;
    size_t probe_index; /* of options.probes */
    uint64_t probe_start_ns;
    bool is_ping_late; /* its time is up; looked at once more */
    bool is_probing;
    struct wheel_timer rest; /* after a failed attempt */
    uint64_t rest_ms;        /* the next pause */
    struct wheel_timer upkeep;
    uint64_t ping_due_ms;
    struct loop_deferred dispatch; /* waiters to connections */
    struct loop_deferred closed;
    bool is_resting;
    bool is_closing;
    enum sql_state state;
    const char *reason; /* of SQL_DEGRADED, a literal; else "" */
    uint64_t latency_ns;
    unsigned error_code;
    char error[SQL_ERROR_BYTES];
    struct metric_histogram *duration; /* NULL until sql_register_metrics */
    struct sql_statements statements;
    struct sql_metrics *metrics;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
};

/* --- sql_time.c --- */

/* sql_time_from_us splits a time; the year must be one to four digits.
 *
 * Returns: true with *ret_time set; false when it lies outside.
 */
MUST_USE bool sql_time_from_us(int64_t us, MYSQL_TIME *ret_time);

/* sql_time_to_us joins a date and time of UTC.
 *
 * Returns: true with *ret_us set; false for a date of zeros.
 */
MUST_USE bool sql_time_to_us(const MYSQL_TIME *time, int64_t *ret_us);

/* --- sql_conn.c --- */

/* sql_conn_dial begins to connect on a worker thread; sql_pool_on_dialed runs later.
 *
 * Returns: 0; UV_ENOMEM, or what pool_submit says.
 */
MUST_USE int sql_conn_dial(struct sql *sql);

/* sql_conn_start begins `conn->op`.
 *
 * Returns: what the library waits for, MYSQL_WAIT_*; 0 when it has finished.
 */
MUST_USE int sql_conn_start(struct sql_conn *conn);

/* sql_conn_resume goes on with `conn->op` after `events`, MYSQL_WAIT_*; returns as sql_conn_start.
 */
MUST_USE int sql_conn_resume(struct sql_conn *conn, int events);

/* sql_conn_wait arms the poll handle for what the library waits for; 0: an idle connection. */
void sql_conn_wait(struct sql_conn *conn, int wait);

/* sql_conn_close ends a dialed connection, whatever the library is doing on it. It never blocks.
 * The struct is freed when the poll handle has closed, and sql_pool_on_conn_closed runs then. */
void sql_conn_close(struct sql_conn *conn);

/* --- sql_dial.c --- */

/* sql_dial_explain says why a server cannot be connected to: the library's text has neither address
 * nor port, and the number of another error (EINPROGRESS). It tries each address once more.
 *
 * Returns: true with `out` filled; false when one of them can be connected to by now.
 * Thread:  a worker.
 */
MUST_USE bool sql_dial_explain(const char *host, uint16_t port, uint64_t timeout_ms, char *out,
                               size_t size);

/* --- sql_stmt.c --- */

/* sql_stmt_find looks a text up in the connection's cache and makes it the most recent.
 *
 * Returns: the statement; NULL.
 */
struct sql_stmt *sql_stmt_find(struct sql_conn *conn, struct str text);

/* sql_stmt_add makes a statement that is to be prepared, the most recent of the cache.
 *
 * Returns: the statement; NULL when memory is missing.
 */
MUST_USE struct sql_stmt *sql_stmt_add(struct sql_conn *conn, struct str text);

/* sql_stmt_take_oldest unlinks the least recently used statement, which the caller closes. */
struct sql_stmt *sql_stmt_take_oldest(struct sql_conn *conn);

/* sql_stmt_free frees a statement; one that is prepared must have been closed, or its connection.
 */
void sql_stmt_free(struct sql_stmt *stmt);

/* sql_stmt_execute binds the parameters of `conn->query` to `conn->stmt` and begins to execute.
 *
 * Returns: 0 with *ret_wait as sql_conn_start returns; UV_EINVAL: the parameters do not fit the
 *          statement; UV_ENOMEM.
 */
MUST_USE int sql_stmt_execute(struct sql_conn *conn, int *ret_wait);

/* sql_stmt_free_params frees a connection's room for parameters. */
void sql_stmt_free_params(struct sql_params *params);

/* sql_stmt_bind_row makes the library put each row into the statement's cells.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int sql_stmt_bind_row(struct sql_stmt *stmt);

/* sql_stmt_add_row copies the row that was fetched into the query's arena; on an error the result
 * is as before, without it.
 *
 * Returns: 0; UV_EMSGSIZE: above max_rows or max_bytes; UV_ENOMEM: the arena is full.
 */
MUST_USE int sql_stmt_add_row(struct sql_stmt *stmt, struct sql_query *query);

/* --- sql_exec.c --- */

/* sql_exec_start runs `query` on a connection that does nothing else; sql_query_finish is called
 * when it has ended, maybe before this returns. */
void sql_exec_start(struct sql_conn *conn, struct sql_query *query);

/* sql_exec_resume goes on with the query of a connection after `events`, MYSQL_WAIT_*. */
void sql_exec_resume(struct sql_conn *conn, int events);

/* --- sql_pool.c --- */

/* sql_pool_on_dialed takes a connection that is open; or NULL, and why it is not. */
void sql_pool_on_dialed(struct sql *sql, struct sql_conn *conn, unsigned error_code,
                        const char *error);

/* sql_pool_on_conn_closed runs when a connection is gone, its memory freed. */
void sql_pool_on_conn_closed(struct sql *sql);

/* sql_pool_put gives a connection back after its query, for the longest waiting one. */
void sql_pool_put(struct sql_conn *conn);

/* sql_pool_drop closes a connection that is of no use any more, and makes room for another.
 *
 * must_kill: the server may still be busy with a statement that nobody wants; it is told to stop.
 */
void sql_pool_drop(struct sql_conn *conn, bool must_kill);

/* sql_pool_submit gives a query to a free connection, or queues it; returns as sql_query_start. */
MUST_USE int sql_pool_submit(struct sql *sql, struct sql_query *query);

/* sql_pool_waiters is how many wait for a connection, the pool's own checks aside. */
size_t sql_pool_waiters(const struct sql *sql);

/* sql_pool_requeue puts a query in front of all that wait. */
void sql_pool_requeue(struct sql *sql, struct sql_query *query);

/* sql_pool_fail_waiters ends every query that waits; error: NULL for none. */
void sql_pool_fail_waiters(struct sql *sql, int status, const struct sql_error *error);

/* sql_pool_close_idle closes the connections that nobody uses. */
void sql_pool_close_idle(struct sql *sql);

/* sql_pool_start begins to dial, and to look after idle connections. */
void sql_pool_start(struct sql *sql);

/* sql_pool_stop closes what is idle and calls off what is dialing; nothing new begins. */
void sql_pool_stop(struct sql *sql);

/* --- sql_health.c --- */

/* sql_health_init prepares the checks. */
void sql_health_init(struct sql *sql);

/* sql_health_stop calls them off. */
void sql_health_stop(struct sql *sql);

/* sql_health_ping begins a check, unless one is under way. */
void sql_health_ping(struct sql *sql);

/* sql_health_set_down notes that the server cannot be used, and why: what waits is refused, and
 * idle connections are closed. */
void sql_health_set_down(struct sql *sql, unsigned code, const char *error);

/* sql_health_set_up notes that the server answers; a degraded one stays that until the probe is
 * well. */
void sql_health_set_up(struct sql *sql);

/* --- sql_query.c --- */

/* sql_query_check looks at what the caller has set.
 *
 * Returns: 0; UV_EINVAL: too many parameters; UV_EMSGSIZE: more bytes than a packet holds.
 */
MUST_USE int sql_query_check(const struct sql *sql, const struct sql_query *query);

/* sql_query_prepare fills in the private part of a query that is about to be submitted. */
void sql_query_prepare(struct sql *sql, struct sql_query *query);

/* sql_query_set_timer starts the query's deadline, unless it has ended already. */
void sql_query_set_timer(struct sql_query *query, uint64_t timeout_ms);

/* sql_query_set_error copies an error into the result, its text into the arena. */
void sql_query_set_error(struct sql_query *query, const struct sql_error *error);

/* sql_query_log writes a failed statement to the log, unless it is one of the pool's own or runs
 * again.
 *
 * error: the server's, or the library's; its code is 0 where neither said anything.
 */
void sql_query_log(const struct sql_query *query, int status, const struct sql_error *error);

/* sql_query_finish ends the query of a connection: the connection goes back, stays with its
 * transaction, or is dropped when it is broken; on_done runs at the end of the turn. */
void sql_query_finish(struct sql_conn *conn, int status, bool is_broken);

/* sql_query_fail ends a query that waits or runs with `status`; its connection is dropped. */
void sql_query_fail(struct sql_query *query, int status);

/* sql_query_detach takes a query out of wherever it is; a connection that runs it is dropped. */
void sql_query_detach(struct sql_query *query);

/* --- sql_tx.c --- */

/* sql_tx_on_query_done hears of the end of each query of a transaction.
 *
 * Returns: true when the query's on_done is to run.
 */
bool sql_tx_on_query_done(struct sql_tx *tx, struct sql_query *query);

/* sql_tx_fail ends a transaction with `status`, whatever it is doing. */
void sql_tx_fail(struct sql_tx *tx, int status);

/* --- sql_metrics.c --- */

/* sql_metrics_destroy frees what sql_register_metrics made; takes NULL. */
void sql_metrics_destroy(struct sql_metrics *metrics);

#endif
