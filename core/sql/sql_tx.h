/* SPDX-License-Identifier: MIT
 *
 * sql_tx.h - transactions: several queries on one connection, all or nothing.
 *
 * Flow:    sql_tx_start -> a connection, START TRANSACTION -> run -> sql_tx_query ... ->
 *          sql_tx_commit or sql_tx_rollback -> on_done
 * Failure: after a deadlock or another conflict (UV_ECONNABORTED) the server has rolled everything
 *          back: run is called again, up to SQL_TRIES times in all; so run starts from scratch, and
 *          has no side effects.
 * Memory:  struct sql_tx and its queries are the caller's until on_done runs or sql_tx_cancel
 *          returns.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_TX_H
#define TOQ_CORE_SQL_SQL_TX_H

#include "core/sql/sql.h"

struct sql_tx {
    /* the caller's: set before sql_tx_start, everything else zero */
    void (*run)(struct sql_tx *tx);     /* starts the first query, or ends the transaction */
    void (*on_done)(struct sql_tx *tx); /* the last call, exactly once */
    uint64_t timeout_ms;                /* from start to end; 0: the pool's query_timeout_ms */
    struct task *task;                  /* as a query's; its queries get it */
    void *arg;

    int status;             /* in on_done: 0: committed; else as sql_query_fn lists */
    struct sql_error error; /* with code and sqlstate, without a message */

    /* private */
    struct list link; /* among the pool's */
    struct sql *sql;
    struct sql_lease lease;   /* its connection; NULL: not yet, or lost */
    struct sql_query *query;  /* in flight: the caller's or `control` */
    struct sql_query control; /* START TRANSACTION, COMMIT, ROLLBACK */
    struct wheel_timer deadline;
    struct wheel_timer pause; /* before a retry */
    struct loop_deferred end;
    bool is_own; /* as a query's */
    unsigned tries;
    uint8_t state;
};

/* sql_tx_start begins a transaction.
 *
 * Returns: 0: on_done runs exactly once, later, unless sql_tx_cancel comes first; else as
 *          sql_query_start.
 */
MUST_USE int sql_tx_start(struct sql *sql, struct sql_tx *tx);

/* sql_tx_query runs a statement inside the transaction, one at a time. Its on_done runs at most
 * once: not when the transaction runs again, or its deadline passes, first. The query has a
 *       deadline of its own only if its timeout_ms is set.
 *
 * Returns: 0; UV_ECONNRESET: the connection is lost; UV_EINVAL, UV_EMSGSIZE: as sql_query_start;
 *          tx->status: the transaction has failed, and its on_done is about to run; UV_ECANCELED:
 *          it is not open: it has not begun, or COMMIT is under way.
 */
MUST_USE int sql_tx_query(struct sql_tx *tx, struct sql_query *query);

/* sql_tx_command is sql_tx_query for statements that the server cannot prepare, such as CREATE
 * TRIGGER (error 1295): by the text protocol, without parameters. A result with rows is UV_EPROTO,
 * and breaks the connection.
 *
 * Returns: as sql_tx_query.
 */
MUST_USE int sql_tx_command(struct sql_tx *tx, struct sql_query *query);

/* sql_tx_commit commits; on_done gets the outcome. After UV_ECONNRESET and UV_ETIMEDOUT it is
 * unknown. Harmless when the transaction has ended. */
void sql_tx_commit(struct sql_tx *tx);

/* sql_tx_rollback rolls back; on_done gets `status`, a negative UV_*. Harmless when the transaction
 * has ended. */
void sql_tx_rollback(struct sql_tx *tx, int status);

/* sql_tx_cancel cancels the transaction in any state: its connection is closed, which rolls it
 * back; on_done never runs. Harmless when the transaction has ended. */
void sql_tx_cancel(struct sql_tx *tx);

/* sql_tx_fail ends a transaction with `status` in any state; on_done runs later. For sql_close. */
void sql_tx_fail(struct sql_tx *tx, int status);

#endif
