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
 *          sql_tx_steps -> each statement in turn -> COMMIT or ROLLBACK -> on_done;
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

#include "core/sql/sql_rows.h"
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

/* sql_statement_copy copies a statement's parameters into the arena, for one that is asked later;
 * its name and text are borrowed.
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

/* sql_ask runs a statement for a request. on_done runs exactly once, later.
 *
 * ref: http_ref's or grpc_ref's; all zero: nobody's, and when memory is missing on_done gets
 *      UV_ENOMEM at once.
 */
void sql_ask(struct sql *sql, struct task_ref ref, const struct sql_statement *statement,
             sql_asked_fn on_done, void *arg);

/* --- a transaction as a list of steps --- */

/* What the result of a step has to have for the transaction to go on. */
enum sql_wanted {
    SQL_WANTS_NOTHING,
    SQL_WANTS_ROW,    /* a row at least */
    SQL_WANTS_CHANGE, /* a row at least that really changed: affected_rows */
};

/* Instead of the status of a rollback: the steps behind this one are left out, and what was done so
 * far is committed. on_done gets it as its status, then. */
#define SQL_COMMIT_EARLY 1

/* A sql_take_fn takes what is needed of the result of a step.
 *
 * A transaction that met a conflict runs anew from its first step, and so does this: it sets what
 * `arg` points at, does not add to it, and has no other effect.
 *
 * rows: their first row is the current one already, if there is one; borrowed, with its texts.
 * Returns: 0: the next step; a negative UV_*: the transaction is rolled back with it; or
 *          SQL_COMMIT_EARLY. A column that was not what it was read as has the same effect as
 *          UV_EPROTO. */
typedef int (*sql_take_fn)(void *arg, struct sql_rows *rows);

struct sql_step {
    struct sql_statement statement;
    enum sql_wanted wants;
    int otherwise;    /* without it: the negative UV_* to roll back with, or SQL_COMMIT_EARLY */
    sql_take_fn take; /* with it; NULL: nothing is needed */
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
 * status: 0 or SQL_COMMIT_EARLY: it is committed; else what it was rolled back with, or as
 *         sql_query_fn lists. */
typedef void (*sql_tx_ended_fn)(void *arg, int status);

/* sql_tx_steps runs a transaction for a request: each step's statement when the one before has
 * brought what it wants, then COMMIT. A statement that fails rolls it back. on_done runs exactly
 * once, later. From COMMIT on the transaction goes on when its request is cancelled, as by
 * sql_tx_detach: on_done gets to know what became of it, and tells others.
 *
 * sql_tx_begin is for transactions whose statements or parameters depend on earlier results.
 *
 * ref:   as sql_ask has it. arg: for on_done, and what the steps take.
 * steps: one at least; copied with their parameters.
 */
void sql_tx_steps(struct sql *sql, struct task_ref ref, const struct sql_steps *steps,
                  sql_tx_ended_fn on_done, void *arg);

/* --- a transaction step by step --- */

/* A sql_tx_run_fn begins a transaction, or begins it anew after a conflict with another one: it
 * asks the first statement, and has no effect of its own. */
typedef void (*sql_tx_run_fn)(struct sql_tx *tx, void *arg);

/* A sql_tx_asked_fn gets the result of a statement that succeeded, as a sql_asked_fn, and asks the
 * next one, commits or rolls back. */
typedef void (*sql_tx_asked_fn)(struct sql_tx *tx, void *arg, const struct sql_result *result);

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
