/* SPDX-License-Identifier: MIT
 *
 * sql_tx.h - transactions: several queries on one connection, all or nothing.
 *
 * Flow:    sql_tx_start -> a connection, START TRANSACTION -> run -> sql_tx_query ... ->
 *          sql_tx_commit or sql_tx_rollback -> on_done
 * Failure: after a deadlock and its like (UV_ECONNABORTED) the server has undone everything: run is
 *          called anew, up to SQL_TRIES times in all; so run starts from scratch and has no effect
 *          of its own.
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
    uint64_t timeout_ms;                /* of the whole; 0: the pool's query_timeout_ms */
    struct task *task;                  /* as a query's; its queries take it over */
    void *arg;

    int status;             /* in on_done: 0 is committed, else as sql_query_fn lists */
    struct sql_error error; /* its code and sqlstate; there is no message */

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
 * once: not when the transaction is run anew, or ends by its deadline, first. The query has no
 * deadline of its own but timeout_ms, when set.
 *
 * Returns: 0; UV_ECONNRESET: the connection is lost; UV_EINVAL, UV_EMSGSIZE: as sql_query_start;
 *          tx->status when the transaction has ended and on_done is about to run.
 */
MUST_USE int sql_tx_query(struct sql_tx *tx, struct sql_query *query);

/* sql_tx_command is sql_tx_query for what the server does not prepare, as MySQL does not CREATE
 * TRIGGER (error 1295): by the text protocol, without parameters. Rows are an error that costs the
 * connection: UV_EPROTO.
 *
 * Returns: as sql_tx_query.
 */
MUST_USE int sql_tx_command(struct sql_tx *tx, struct sql_query *query);

/* sql_tx_commit makes it last; on_done says whether it did. After UV_ECONNRESET and UV_ETIMEDOUT
 * nobody knows. */
void sql_tx_commit(struct sql_tx *tx);

/* sql_tx_rollback undoes everything; on_done gets `status`, a negative UV_*. */
void sql_tx_rollback(struct sql_tx *tx, int status);

/* sql_tx_cancel gives the transaction up, whatever it is doing: its connection is closed, which
 * undoes it; on_done never runs. Harmless when the transaction has ended. */
void sql_tx_cancel(struct sql_tx *tx);

/* sql_tx_fail ends a transaction with `status`, whatever it is doing; for sql_close. */
void sql_tx_fail(struct sql_tx *tx, int status);

#endif
