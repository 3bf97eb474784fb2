/* SPDX-License-Identifier: MIT
 *
 * sql_ask.c - queries and transactions in memory of their own, which is freed when they end.
 *
 * The request is held by the query or the transaction, or by a deferred refusal.
 */
#include "core/sql/sql_ask.h"

#include <stdlib.h>

#include "core/sql/sql_query.h"

#define ARENA_BYTES (64u << 20) /* the limits of a query are below that */

/* What an ask of either kind begins with. */
struct ask_base {
    struct task *task; /* NULL: nobody's */
    struct task_wait wait;
    struct loop_deferred refusal;
    int status; /* of the refusal */
    void *arg;
};

struct ask {
    struct ask_base base;
    struct sql_query query;
    struct arena arena; /* of parameters and rows */
    sql_asked_fn on_done;
};

struct tx_ask {
    struct ask_base base;
    struct sql_tx tx;
    struct sql_query query;
    struct arena arenas[2]; /* in turn: the next parameters are made of the last rows */
    unsigned arena;
    sql_tx_run_fn run;
    sql_tx_asked_fn on_asked;
    sql_tx_ended_fn on_done;
    struct sql_steps steps; /* of sql_tx_steps, copied */
    struct arena copies;    /* of them */
    size_t step;            /* the current one */
    bool is_early;          /* it is committed without the rest of them */
};

static const struct task_waker refusal_waker = {.kind = "refusal"};

/* --- both kinds --- */

/* make finds the task of a reference, and makes memory for an ask.
 *
 * Returns: the memory, zeroed, with *ret_task held; NULL, with the task cancelled. */
static void *make(struct task_ref ref, size_t bytes, struct task **ret_task)
{
    struct task *task = task_from_ref(ref);
    void *memory = calloc(1, bytes);
    if (memory == NULL && task != NULL) {
        task_cancel(task, UV_ENOMEM);
        task_release(task);
    }
    *ret_task = task;
    return memory;
}

/* refuse runs `tell` at the end of the turn, for an ask that did not begin; make's hold lasts until
 * then. */
static void refuse(struct sql *sql, struct ask_base *base, int status,
                   void (*tell)(struct loop_deferred *deferred))
{
    base->status = status;
    base->refusal.run = tell;
    list_init(&base->refusal.link);
    task_await(base->task, refusal_waker);
    loop_defer(sql->loop, &base->refusal);
}

/* is_refused: the request of a reference has ended, or was cancelled. */
static bool is_refused(struct task_ref ref, const struct task *task)
{
    return task == NULL ? ref.id != 0 : task->is_cancelled;
}

bool sql_statement_copy(struct arena *arena, const struct sql_statement *statement,
                        struct sql_statement *ret_copy)
{
    struct sql_value *params = arena_alloc(arena, (statement->count + 1) * sizeof(*params));
    if (params == NULL) {
        return false;
    }
    for (size_t i = 0; i < statement->count; i++) {
        params[i] = statement->params[i];
        if ((params[i].type == SQL_TEXT || params[i].type == SQL_BLOB) &&
            !arena_copy(arena, params[i].str, &params[i].str)) {
            return false;
        }
    }
    *ret_copy = *statement;
    ret_copy->params = params;
    return true;
}

/* make_query makes the query of a statement. Returns: 0; UV_ENOMEM. */
static int make_query(const struct sql_statement *statement, struct arena *arena,
                      struct sql_query *ret_query)
{
    struct sql_statement copy;
    if (!sql_statement_copy(arena, statement, &copy)) {
        return UV_ENOMEM;
    }
    *ret_query = (struct sql_query){
        .text = str_from(copy.text),
        .params = copy.params,
        .param_count = copy.count,
        .arena = arena,
        .max_rows = copy.max_rows,
        .timeout_ms = copy.timeout_ms,
        .is_read = copy.is_read,
        .name = copy.name,
    };
    return 0;
}

/* --- one statement --- */

/* tell hands the result over; the request is held meanwhile. */
static void tell(struct ask *ask, const struct sql_result *result)
{
    task_remove_wait(&ask->base.wait);
    ask->on_done(ask->base.arg, result);
    arena_deinit(&ask->arena);
    free(ask);
}

static void on_asked(struct sql_query *query)
{
    struct ask *ask = query->arg;
    tell(ask, &query->result);
}

static void on_refused(struct loop_deferred *deferred)
{
    struct ask *ask = CONTAINER_OF(deferred, struct ask, base.refusal);
    struct task *task = ask->base.task;
    struct task *previous = task_enter(task);
    task_awaited(task, refusal_waker);
    tell(ask, &(struct sql_result){.status = ask->base.status});
    task_leave(previous);
    task_release(task); /* make's hold */
}

static void give_up(struct task_wait *wait)
{
    struct ask *ask = CONTAINER_OF(wait, struct ask, base.wait);
    sql_query_cancel(&ask->query);
    tell(ask, &(struct sql_result){.status = UV_ECANCELED});
}

void sql_ask(struct sql *sql, struct task_ref ref, const struct sql_statement *statement,
             sql_asked_fn on_done, void *arg)
{
    struct task *task;
    struct ask *ask = make(ref, sizeof(*ask), &task);
    if (ask == NULL) {
        if (task == NULL) {
            on_done(arg, &(struct sql_result){.status = UV_ENOMEM});
        }
        return;
    }
    ask->base.task = task;
    ask->base.arg = arg;
    ask->on_done = on_done;
    arena_init(&ask->arena, ARENA_BYTES);
    int status = is_refused(ref, task) ? UV_ECANCELED : 0;
    status = status < 0 ? status : make_query(statement, &ask->arena, &ask->query);
    ask->query.task = task;
    ask->query.on_done = on_asked;
    ask->query.arg = ask;
    status = status < 0 ? status : sql_query_start(sql, &ask->query);
    if (status < 0) {
        refuse(sql, &ask->base, status, on_refused);
        return;
    }
    if (task != NULL) {
        task_add_wait(task, &ask->base.wait, give_up);
        task_release(task); /* the query holds it */
    }
}

/* --- transactions --- */

static struct tx_ask *tx_ask_of(struct sql_tx *tx)
{
    return CONTAINER_OF(tx, struct tx_ask, tx);
}

static void tell_tx(struct tx_ask *ask, int status)
{
    task_remove_wait(&ask->base.wait);
    ask->on_done(ask->base.arg, status == 0 && ask->is_early ? SQL_COMMIT_EARLY : status);
    arena_deinit(&ask->arenas[0]);
    arena_deinit(&ask->arenas[1]);
    arena_deinit(&ask->copies);
    free(ask);
}

static void on_tx_run(struct sql_tx *tx)
{
    struct tx_ask *ask = tx_ask_of(tx);
    ask->run(tx, ask->base.arg);
}

static void on_tx_done(struct sql_tx *tx)
{
    tell_tx(tx_ask_of(tx), tx->status);
}

static void on_tx_refused(struct loop_deferred *deferred)
{
    struct tx_ask *ask = CONTAINER_OF(deferred, struct tx_ask, base.refusal);
    struct task *task = ask->base.task;
    struct task *previous = task_enter(task);
    task_awaited(task, refusal_waker);
    tell_tx(ask, ask->base.status);
    task_leave(previous);
    task_release(task); /* make's hold */
}

static void give_up_tx(struct task_wait *wait)
{
    struct tx_ask *ask = CONTAINER_OF(wait, struct tx_ask, base.wait);
    sql_tx_cancel(&ask->tx);
    tell_tx(ask, UV_ECANCELED);
}

/* make_tx makes the ask of a transaction.
 *
 * Returns: NULL when memory is missing; the request was cancelled, or on_done has run. */
static struct tx_ask *make_tx(struct task_ref ref, sql_tx_run_fn run, sql_tx_ended_fn on_done,
                              void *arg)
{
    struct task *task;
    struct tx_ask *ask = make(ref, sizeof(*ask), &task);
    if (ask == NULL) {
        if (task == NULL) {
            on_done(arg, UV_ENOMEM);
        }
        return NULL;
    }
    ask->base.task = task;
    ask->base.arg = arg;
    ask->run = run;
    ask->on_done = on_done;
    arena_init(&ask->arenas[0], ARENA_BYTES);
    arena_init(&ask->arenas[1], ARENA_BYTES);
    arena_init(&ask->copies, ARENA_BYTES);
    return ask;
}

/* start_tx starts a transaction, or refuses it with a negative `status`. */
static void start_tx(struct sql *sql, struct task_ref ref, struct tx_ask *ask, int status)
{
    struct task *task = ask->base.task;
    ask->tx = (struct sql_tx){.run = on_tx_run, .on_done = on_tx_done, .task = task};
    status = is_refused(ref, task) ? UV_ECANCELED : status;
    status = status < 0 ? status : sql_tx_start(sql, &ask->tx);
    if (status < 0) {
        refuse(sql, &ask->base, status, on_tx_refused);
        return;
    }
    if (task != NULL) {
        task_add_wait(task, &ask->base.wait, give_up_tx);
        task_release(task); /* the transaction holds it */
    }
}

void sql_tx_begin(struct sql *sql, struct task_ref ref, sql_tx_run_fn run, sql_tx_ended_fn on_done,
                  void *arg)
{
    struct tx_ask *ask = make_tx(ref, run, on_done, arg);
    if (ask != NULL) {
        start_tx(sql, ref, ask, 0);
    }
}

static void on_tx_asked(struct sql_query *query)
{
    struct tx_ask *ask = query->arg;
    if (query->result.status < 0) {
        sql_tx_rollback(&ask->tx, query->result.status);
        return;
    }
    ask->on_asked(&ask->tx, ask->base.arg, &query->result);
}

void sql_tx_ask(struct sql_tx *tx, const struct sql_statement *statement, sql_tx_asked_fn on_done)
{
    REQUIRE(tx->run == on_tx_run); /* of sql_tx_begin */
    struct tx_ask *ask = tx_ask_of(tx);
    struct arena *arena = &ask->arenas[++ask->arena % 2];
    arena_reset(arena);
    struct sql_query query;
    int status = make_query(statement, arena, &query);
    if (status == 0) {
        query.on_done = on_tx_asked;
        query.arg = ask;
        ask->query = query;
        ask->on_asked = on_done;
        status = sql_tx_query(tx, &ask->query);
    }
    if (status < 0) {
        sql_tx_rollback(tx, status);
    }
}

void sql_tx_detach(struct sql_tx *tx)
{
    REQUIRE(tx->run == on_tx_run); /* of sql_tx_begin */
    task_remove_wait(&tx_ask_of(tx)->base.wait);
}

/* --- transactions of steps --- */

static void on_step(struct sql_tx *tx, void *arg, const struct sql_result *result);

static void ask_step(struct tx_ask *ask)
{
    sql_tx_ask(&ask->tx, &ask->steps.list[ask->step].statement, on_step);
}

static void run_steps(struct sql_tx *tx, void *arg)
{
    struct tx_ask *ask = tx_ask_of(tx);
    (void)arg;
    ask->step = 0;
    ask->is_early = false;
    ask_step(ask);
}

/* take_step looks at the result of a step. Returns: as a sql_take_fn. */
static int take_step(const struct sql_step *step, void *arg, const struct sql_result *result)
{
    if ((step->wants == SQL_WANTS_ROW && result->row_count == 0) ||
        (step->wants == SQL_WANTS_CHANGE && result->affected_rows == 0)) {
        return step->otherwise;
    }
    if (step->take == NULL) {
        return 0;
    }
    struct sql_rows rows = sql_rows_of(result);
    const bool has_row = sql_rows_next(&rows);
    (void)has_row; /* a column of none is an error of the reader's */
    const int status = step->take(arg, &rows);
    return rows.status < 0 ? rows.status : status;
}

static void on_step(struct sql_tx *tx, void *arg, const struct sql_result *result)
{
    struct tx_ask *ask = tx_ask_of(tx);
    const int status = take_step(&ask->steps.list[ask->step], arg, result);
    if (status < 0) {
        sql_tx_rollback(tx, status);
        return;
    }
    ask->is_early = status == SQL_COMMIT_EARLY;
    if (!ask->is_early && ++ask->step < ask->steps.count) {
        ask_step(ask);
        return;
    }
    sql_tx_detach(tx);
    sql_tx_commit(tx);
}

/* copy_steps copies them with their parameters. Returns: 0; UV_ENOMEM. */
static int copy_steps(struct arena *arena, const struct sql_steps *steps,
                      struct sql_steps *ret_steps)
{
    struct sql_step *list = arena_alloc(arena, steps->count * sizeof(*list));
    if (list == NULL) {
        return UV_ENOMEM;
    }
    for (size_t i = 0; i < steps->count; i++) {
        list[i] = steps->list[i];
        REQUIRE(list[i].wants == SQL_WANTS_NOTHING || list[i].otherwise < 0 ||
                list[i].otherwise == SQL_COMMIT_EARLY);
        if (!sql_statement_copy(arena, &steps->list[i].statement, &list[i].statement)) {
            return UV_ENOMEM;
        }
    }
    *ret_steps = (struct sql_steps){list, steps->count};
    return 0;
}

void sql_tx_steps(struct sql *sql, struct task_ref ref, const struct sql_steps *steps,
                  sql_tx_ended_fn on_done, void *arg)
{
    REQUIRE(steps->count > 0);
    struct tx_ask *ask = make_tx(ref, run_steps, on_done, arg);
    if (ask != NULL) {
        start_tx(sql, ref, ask, copy_steps(&ask->copies, steps, &ask->steps));
    }
}
