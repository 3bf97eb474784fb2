/* SPDX-License-Identifier: MIT
 *
 * sql_ask.h - statements and transactions on behalf of a request, without memory of the caller's.
 *
 *     sql_ask(sql, http_ref(req),
 *             &SQL_READ("favourites.list", "SELECT id FROM favourites WHERE user = ?",
 *                       sql_text(user)),
 *             on_listed, req);
 *
 * Flow:    sql_ask -> sql_query_start -> on_done;
 *          sql_tx_begin -> run -> sql_tx_ask ... -> sql_tx_commit or sql_tx_rollback -> on_done
 * Failure: on_done gets a status, also when nothing could be begun. When the request is cancelled,
 *          what was asked for it is given up, and each on_done gets UV_ECANCELED. When memory is
 *          missing for the ask itself, the request is cancelled with 503, and on_done does not run.
 * Memory:  an ask holds its request, so `arg` may be the request, or lie in its arena. Parameters
 *          are copied; a statement's name and text are borrowed until on_done.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_ASK_H
#define TOQ_CORE_SQL_SQL_ASK_H

#include "core/sql/sql_tx.h"

struct sql_statement {
    const char *name; /* "favourites.list": what logs, metrics and spans call it */
    const char *text; /* one statement, a ? for each parameter */
    const struct sql_value *params;
    size_t count;        /* of params */
    size_t max_rows;     /* as a query's, and the two below */
    uint64_t timeout_ms; /* a transaction's statement: 0 is the transaction's */
    bool is_read;
};

/* SQL_STATEMENT is a statement with its parameters, which may be none; SQL_READ one that changes
 * nothing, so that it runs once more if its connection breaks. */
#define SQL_STATEMENT(name_, text_, ...)                                                           \
    ((struct sql_statement){.name = (name_),                                                       \
                            .text = (text_),                                                       \
                            .params = (struct sql_value[]){__VA_ARGS__},                           \
                            .count = ARRAY_COUNT(((struct sql_value[]){__VA_ARGS__}))})
#define SQL_READ(name_, text_, ...)                                                                \
    ((struct sql_statement){.name = (name_),                                                       \
                            .text = (text_),                                                       \
                            .params = (struct sql_value[]){__VA_ARGS__},                           \
                            .count = ARRAY_COUNT(((struct sql_value[]){__VA_ARGS__})),             \
                            .is_read = true})

/* A sql_asked_fn gets the result of a statement, once.
 *
 * result: borrowed until it returns, with its rows; see sql_rows.h. result->status: 0, or as
 *         sql_query_fn lists. */
typedef void (*sql_asked_fn)(void *arg, const struct sql_result *result);

/* sql_ask runs a statement for a request. on_done runs exactly once, later.
 *
 * ref: http_ref's or grpc_ref's; all zero: nobody's, and when memory is missing on_done gets
 *      UV_ENOMEM at once.
 */
void sql_ask(struct sql *sql, struct task_ref ref, const struct sql_statement *statement,
             sql_asked_fn on_done, void *arg);

/* A sql_tx_run_fn begins a transaction, or begins it anew after a conflict with another one: it
 * asks the first statement, and has no effect of its own. */
typedef void (*sql_tx_run_fn)(struct sql_tx *tx, void *arg);

/* A sql_tx_asked_fn gets the result of a statement that succeeded, as a sql_asked_fn, and asks the
 * next one, commits or rolls back. */
typedef void (*sql_tx_asked_fn)(struct sql_tx *tx, void *arg, const struct sql_result *result);

/* A sql_tx_ended_fn gets the end of a transaction, once.
 *
 * status: 0: it is committed; else what sql_tx_rollback was given, or as sql_query_fn lists. */
typedef void (*sql_tx_ended_fn)(void *arg, int status);

/* sql_tx_begin runs a transaction for a request; on_done runs exactly once, later.
 *
 * ref: as sql_ask has it. arg: for each of the three functions.
 */
void sql_tx_begin(struct sql *sql, struct task_ref ref, sql_tx_run_fn run, sql_tx_ended_fn on_done,
                  void *arg);

/* sql_tx_ask runs a statement inside of a transaction of sql_tx_begin, one at a time. When it
 * fails, the transaction is rolled back: on_done does not run, and the transaction's gets the
 * status. */
void sql_tx_ask(struct sql_tx *tx, const struct sql_statement *statement, sql_tx_asked_fn on_done);

/* sql_tx_detach makes a transaction of sql_tx_begin go on when its request is cancelled: from now
 * on it ends by itself, or by its own deadline. It goes on to hold the request. */
void sql_tx_detach(struct sql_tx *tx);

#endif
