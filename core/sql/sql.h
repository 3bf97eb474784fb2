/* SPDX-License-Identifier: MIT
 *
 * sql.h - MySQL on the loop: a pool of connections and prepared statements run on them.
 *
 * Flow:    sql_query_start -> a free connection, else the queue -> prepare unless cached -> execute
 *          -> rows into the caller's arena -> on_done
 * Failure: a server that is down, slow or gone ends each query with a status; the pool reconnects
 *          by itself. While it is known to be down, queries are refused at once instead of waiting.
 * Memory:  struct sql_query is the caller's, as are its text and parameters, until on_done runs or
 *          sql_query_cancel returns.
 * Thread:  the loop. SIGPIPE is to be ignored: the TLS library writes without MSG_NOSIGNAL.
 */
#ifndef TOQ_CORE_SQL_SQL_H
#define TOQ_CORE_SQL_SQL_H

#include "core/loop/loop.h"
#include "core/sql/sql_value.h"
#include "core/task/task.h"

#define SQL_TRIES      3    /* of what the server undoes, in all */
#define SQL_PARAMS_MAX 1152 /* 64 rows of 18 columns */

struct sql;
struct sql_conn;
struct sql_query_owner;
struct sql_query;
struct sql_tx;

enum sql_tls { SQL_TLS_OFF, SQL_TLS_REQUIRED, SQL_TLS_VERIFY };

/* Texts are borrowed until sql_close's on_closed has run. A 0 takes the default. */
struct sql_options {
    const char *host; /* a name, an address, or the path of a Unix socket */
    uint16_t port;
    const char *user;
    const char *password; /* NULL: none */
    const char *database; /* NULL: none */
    enum sql_tls tls;
    const char *tls_ca;          /* SQL_TLS_VERIFY: the file of trusted authorities */
    size_t max_connections;      /* 16 */
    size_t min_idle;             /* connections kept open even when nobody asks; may be 0 */
    size_t max_waiters;          /* 1024 queries in the queue */
    size_t max_statements;       /* 64 prepared ones a connection */
    size_t max_packet_bytes;     /* 16 MiB: one parameter set, one row */
    uint64_t query_timeout_ms;   /* 30000 */
    uint64_t connect_timeout_ms; /* 5000; whole seconds, rounded up */
    uint64_t max_lifetime_ms;    /* 240000, less up to a fifth at random */
    uint64_t max_idle_ms;        /* 60000; for the connections beyond min_idle */
    uint64_t ping_ms;            /* 5000 between two health checks, rounded up to 500 */
    /* statements that need the rights and resources of writes and change nothing, ended by NULL;
     * NULL: the health is that of the ping alone */
    const char *const *probes;
    struct statements *statements; /* that are told the texts of named ones; NULL: none are */
};

/* A sql_query_fn gets the result of a query, once. query->result.status is 0 or
 *
 *   UV_ETIMEDOUT   its deadline passed             UV_ENOTCONN   the server cannot be reached
 *   UV_ECONNRESET  the connection broke            UV_ECANCELED  the pool is being closed
 *   UV_EEXIST      a duplicate key                 UV_EINVAL     the data or parameters do not fit
 *   UV_ECONNABORTED  rolled back because of another transaction (a deadlock), in each of SQL_TRIES
 *   UV_EMSGSIZE    more rows or bytes than allowed UV_ENOMEM     the arena is full, or no memory
 *   UV_EBUSY       no room, or a lock wait timeout UV_EACCES     not allowed
 *   UV_EPROTO      a malformed or unexpected answer UV_EROFS     the server is read-only
 *   UV_EIO         any other error: see result.error
 *
 * sql_error.c maps the server's errors to these.
 *
 * The query is the caller's again when it runs.
 */
typedef void (*sql_query_fn)(struct sql_query *query);

/* A claim on a connection. Private. */
struct sql_lease {
    struct list link;      /* among the waiters */
    struct sql_conn *conn; /* NULL: it waits, or the connection is lost */
    void (*granted)(struct sql_lease *lease);
    void (*refused)(struct sql_lease *lease, int status, const struct sql_error *error);
    uint64_t start_ns; /* of the wait */
    bool is_waiting;
    bool is_first; /* goes before all that wait, even when the server is down */
    bool is_own;   /* of the pool's own checks, whose waits are not counted */
    bool is_extra; /* may have a connection beyond the pool's maximum */
    bool is_kill;  /* for a KILL, which is not killed in turn */
};

struct sql_query {
    /* the caller's: set before sql_query_start, everything else zero */
    struct str text; /* one statement, a ? for each parameter */
    const struct sql_value *params;
    size_t param_count;
    struct arena *arena; /* where the rows go; NULL: they are dropped */
    size_t max_rows;     /* 0: 10000 */
    size_t max_bytes;    /* of all rows as they lie in the arena; 0: 8 MiB */
    uint64_t timeout_ms; /* from now, the wait for a connection included; 0: the pool's default */
    bool is_read;        /* changes nothing, so it runs again if its connection breaks */
    const char *name;    /* a literal, for logs and metrics: "listings.get"; NULL: it has none */
    struct task *task;   /* parked and held meanwhile, and current in on_done; may be NULL */
    sql_query_fn on_done;
    void *arg;

    struct sql_result result;

    /* private */
    struct sql_lease lease; /* of a query outside of a transaction */
    struct sql *sql;
    struct sql_conn *conn;               /* that runs it */
    struct sql_tx *tx;                   /* its transaction; NULL: none */
    const struct sql_query_owner *owner; /* the transaction's callbacks */
    struct sql_row **row_end;
    size_t used_bytes;
    uint64_t start_ns;
    struct wheel_timer timer;
    struct loop_deferred done;
    struct task_waker waker; /* of the task; kind NULL: none of this query */
    uint8_t state;
    bool is_own;     /* of the pool's own checks: neither counted nor logged */
    bool is_command; /* by the text protocol */
    uint8_t again;   /* enum sql_again, of the last run */
    uint8_t tries;
};

enum sql_state {
    SQL_CONNECTING, /* not connected yet, and no attempt has failed */
    SQL_UP,
    SQL_DEGRADED, /* it answers, but writes fail or statements have to wait: see the reason */
    SQL_DOWN,     /* the last check or attempt failed: queries are refused at once */
};

struct sql_health {
    enum sql_state state;
    const char *reason;  /* when degraded, a literal without secrets; else "" */
    uint64_t latency_ns; /* of the last check that succeeded; 0: none yet */
    unsigned error_code; /* MySQL's, when down */
    const char *error;   /* for people, when down; borrowed until the next turn */
};

struct sql_stats {
    size_t max_connections;
    size_t open; /* idle and busy */
    size_t idle;
    size_t dialing; /* attempts to connect under way */
    size_t waiters;
    uint64_t waits; /* queries that had to wait for a connection */
    uint64_t wait_ns;
    uint64_t max_idle_closed; /* connections closed after max_idle_ms ... */
    uint64_t max_lifetime_closed;
    uint64_t lost; /* ... or broken, or dropped with a query that was cancelled */
    uint64_t connects;
    uint64_t connect_failures;
    uint64_t queries; /* ended, with any status; cancelled ones aside */
    uint64_t failures;
    uint64_t timeouts;
    uint64_t cancels;
    uint64_t refusals; /* queue full or server down */
    uint64_t prepares;
    uint64_t deadlock_retries; /* after a deadlock or another conflict between transactions */
};

/* sql_open makes a pool and begins to connect in the background; a server that is down is no error.
 *
 * Returns: 0 with *ret_sql set; UV_ENOMEM.
 */
MUST_USE int sql_open(struct loop *loop, const struct sql_options *options, struct sql **ret_sql);

/* sql_close ends every query and transaction with UV_ECANCELED and closes the connections;
 * on_closed runs once, later, after the last of their callbacks, when the pool has been freed. An
 * attempt to connect that is under way delays it by up to connect_timeout_ms.
 */
void sql_close(struct sql *sql, void (*on_closed)(void *arg), void *arg);

/* sql_query_start runs a statement. A read whose connection breaks runs a second time; a statement
 * that the server has rolled back because of another transaction, SQL_TRIES times in all.
 *
 * Returns: 0: on_done runs exactly once, later, unless sql_query_cancel comes first; UV_EBUSY: the
 *          queue is full; UV_ENOTCONN: the server is down; UV_ECANCELED: the pool is being closed;
 *          UV_EINVAL: too many parameters; UV_EMSGSIZE: their bytes do not fit into a packet. On an
 *          error on_done never runs.
 */
MUST_USE int sql_query_start(struct sql *sql, struct sql_query *query);

/* sql_query_cancel cancels a query: on_done never runs, and the query, its parameters and its arena
 * are not used any more. Whether a statement that had begun took effect is unknown. Harmless when
 * the query has ended.
 */
void sql_query_cancel(struct sql_query *query);

/* sql_query_lend moves a query that several tasks wait for to another one of them: the query holds
 * that task from now on, and releases the one before. Not for the queries of a transaction.
 *
 * task: NULL for none.
 */
void sql_query_lend(struct sql_query *query, struct task *task);

/* The bytes of a parameter in a packet beside its text: type, length, number, date. */
#define SQL_PARAM_BYTES 16

/* sql_packet_bytes is the maximum of a statement with its parameters: max_packet_bytes, or the
 * server's maximum as the newest connection found it, if that is less. */
size_t sql_packet_bytes(const struct sql *sql);

/* sql_query_timeout_ms is the timeout of a query that has none of its own. */
uint64_t sql_query_timeout_ms(const struct sql *sql);

/* sql_get_health is the server's state at the last check, which is about ping_ms old at most. */
struct sql_health sql_get_health(const struct sql *sql);

/* sql_get_stats reads the counters. */
struct sql_stats sql_get_stats(const struct sql *sql);

/* sql_register_metrics adds the toq_sql_ families, labelled with the database's name.
 *
 * Owns:    the pool outlives the registry's last render.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int sql_register_metrics(struct sql *sql, struct metrics *metrics);

#endif
