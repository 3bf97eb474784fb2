/* SPDX-License-Identifier: MIT
 *
 * sql_ask.h - statements and transactions for a request, without memory of the caller.
 *
 *     sql_ask(sql, http_ref(req),
 *             &SQL_READ("favourites.list", "SELECT id FROM favourites WHERE user = ?",
 *                       sql_text(user)),
 *             on_listed, req);
 *
 * Flow:    sql_ask -> sql_query_start -> on_done;
 *          sql_tx_steps -> each statement in turn -> COMMIT or ROLLBACK -> on_done;
 *          sql_tx_begin -> run -> sql_tx_ask ... -> sql_tx_commit or sql_tx_rollback -> on_done
 * Failure: on_done gets a status, also when nothing could be begun. When the request is cancelled,
 *          its asks are cancelled, and each on_done gets UV_ECANCELED. When memory is missing for
 *          the ask itself, the request is cancelled with 503, and on_done does not run.
 * Memory:  an ask holds its request, so `arg` may be the request, or lie in its arena. Parameters
 *          are copied; a statement's name and text are borrowed until on_done.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_ASK_H
#define TOQ_CORE_SQL_SQL_ASK_H

#include "core/sql/sql_rows.h"
#include "core/sql/sql_tx.h"

struct sql_statement {
    const char *name; /* a literal, for logs, metrics and spans: "favourites.list" */
    const char *text; /* one statement, a ? for each parameter */
    const struct sql_value *params;
    size_t count;        /* of params */
    size_t max_rows;     /* as a query's, and the two below */
    uint64_t timeout_ms; /* a transaction's statement: 0 is the transaction's */
    bool is_read;
};

/* SQL_STATEMENT is a statement with its parameters, if any; SQL_READ one that changes nothing, so
 * that it runs again if its connection breaks. */
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

/* sql_statement_copy copies a statement that is asked later: its parameters go into the arena, its
 * name and text are borrowed.
 *
 * Returns: true with *ret_copy set; false as arena_alloc returns NULL.
 */
MUST_USE bool sql_statement_copy(struct arena *arena, const struct sql_statement *statement,
                                 struct sql_statement *ret_copy);

/* A sql_asked_fn gets the result of a statement, once.
 *
 * result: borrowed until it returns, with its rows; see sql_rows.h. result->status: 0, or as
 *         sql_query_fn lists. */
typedef void (*sql_asked_fn)(void *arg, const struct sql_result *result);

/* sql_ask runs a statement for a request. on_done runs exactly once, later; but not at all when
 * memory is missing for the ask itself, and the request is cancelled instead.
 *
 * ref: http_ref's or grpc_ref's; when the request has ended on_done gets UV_ECANCELED, so `arg` is
 *      not in its arena then. All zero: for no request; then on_done gets UV_ENOMEM at once when
 *      memory is missing.
 */
void sql_ask(struct sql *sql, struct task_ref ref, const struct sql_statement *statement,
             sql_asked_fn on_done, void *arg);

/* --- a transaction as a list of steps --- */

/* What the result of a step must have for the transaction to go on. */
enum sql_wanted {
    SQL_WANTS_NOTHING,
    SQL_WANTS_ROW,    /* at least one row */
    SQL_WANTS_CHANGE, /* at least one changed row: affected_rows */
};

/* In place of the status of a rollback: the remaining steps are skipped, and the steps so far are
 * committed. on_done gets it as its status. */
#define SQL_COMMIT_EARLY 1

/* A sql_take_fn reads the result of a step.
 *
 * After a conflict the transaction runs again from its first step, and so does this function: it
 * sets what `arg` points at, does not add to it, and has no other side effects.
 *
 * rows:    the first row, if any, is already the current one; borrowed, with its texts.
 * Returns: 0: go on with the next step; a negative UV_*: roll back with it; SQL_COMMIT_EARLY. A
 *          column that is not of the type that it was read as counts as UV_EPROTO. */
typedef int (*sql_take_fn)(void *arg, struct sql_rows *rows);

struct sql_step {
    struct sql_statement statement;
    enum sql_wanted wants;
    int otherwise;    /* if that is missing: a negative UV_* to roll back, or SQL_COMMIT_EARLY */
    sql_take_fn take; /* if it is there; NULL: nothing is read */
};

struct sql_steps {
    const struct sql_step *list;
    size_t count;
};

/* SQL_STEPS is a list of steps, each in braces. */
#define SQL_STEPS(...)                                                                             \
    ((struct sql_steps){.list = (struct sql_step[]){__VA_ARGS__},                                  \
                        .count = ARRAY_COUNT(((struct sql_step[]){__VA_ARGS__}))})

/* A sql_tx_ended_fn gets the end of a transaction, once.
 *
 * status: 0 or SQL_COMMIT_EARLY: it was committed; else the status of the rollback, or as
 *         sql_query_fn lists. */
typedef void (*sql_tx_ended_fn)(void *arg, int status);

/* sql_tx_steps runs a transaction for a request: each step's statement if the one before has the
 * result that it wants, then COMMIT. A statement that fails rolls it back. on_done runs as sql_ask
 * has it. From COMMIT on the transaction goes on even if its request is cancelled, as after
 * sql_tx_detach, so that on_done gets the outcome.
 *
 * sql_tx_begin is for transactions whose statements or parameters depend on earlier results.
 *
 * ref:   as sql_ask has it.
 * steps: at least one; copied with their parameters.
 * arg:   for on_done and the steps' `take`.
 */
void sql_tx_steps(struct sql *sql, struct task_ref ref, const struct sql_steps *steps,
                  sql_tx_ended_fn on_done, void *arg);

/* --- a transaction step by step --- */

/* A sql_tx_run_fn begins a transaction, or begins it again after a conflict with another one: it
 * asks the first statement, and has no side effects. */
typedef void (*sql_tx_run_fn)(struct sql_tx *tx, void *arg);

/* A sql_tx_asked_fn gets the result of a statement that succeeded, as a sql_asked_fn, and asks the
 * next one, commits or rolls back. */
typedef void (*sql_tx_asked_fn)(struct sql_tx *tx, void *arg, const struct sql_result *result);

/* sql_tx_begin runs a transaction for a request; on_done runs as sql_ask has it.
 *
 * ref: as sql_ask has it. arg: for each of the three functions.
 */
void sql_tx_begin(struct sql *sql, struct task_ref ref, sql_tx_run_fn run, sql_tx_ended_fn on_done,
                  void *arg);

/* sql_tx_ask runs a statement in a transaction of sql_tx_begin, one at a time. If it fails, the
 * transaction is rolled back: this on_done does not run, and the transaction's gets the status. */
void sql_tx_ask(struct sql_tx *tx, const struct sql_statement *statement, sql_tx_asked_fn on_done);

/* sql_tx_detach lets a transaction of sql_tx_begin go on even if its request is cancelled: from now
 * on it ends by itself, or by its own deadline. It still holds the request. */
void sql_tx_detach(struct sql_tx *tx);

#endif
