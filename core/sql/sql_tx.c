/* SPDX-License-Identifier: MIT
 *
 * sql_tx.c - a transaction: a connection held from START TRANSACTION to COMMIT or ROLLBACK.
 *
 * States:  BEGINNING -> OPEN -> COMMITTING | ROLLING_BACK -> ENDED
 *          a conflict: OPEN | COMMITTING -> UNDOING -> PAUSING -> BEGINNING
 */
#include "core/sql/sql_tx.h"

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/sql/sql_query.h"

#define PAUSE_MAX_MS 200 /* before the first retry; twice that before the second */

enum tx_state {
    TX_IDLE, /* not started, or on_done has run */
    TX_BEGINNING,
    TX_OPEN,
    TX_COMMITTING,
    TX_ROLLING_BACK,
    TX_UNDOING,
    TX_PAUSING,
    TX_ENDED, /* on_done is to run */
};

static const struct task_waker pause_waker = {.kind = "timer"};
static const struct task_waker end_waker = {.kind = "mysql"};

/* release gives the connection back; unless it is clean, it is closed. */
static void release(struct sql_tx *tx, bool is_clean)
{
    wheel_unset(&tx->deadline);
    wheel_unset(&tx->pause);
    if (tx->state == TX_PAUSING) {
        task_awaited(tx->task, pause_waker);
    }
    list_unlink(&tx->link);
    sql_pool_withdraw(tx->sql, &tx->lease);
    if (tx->lease.conn == NULL) {
        return;
    }
    if (is_clean) {
        sql_pool_put(tx->lease.conn);
    } else {
        sql_pool_drop(tx->lease.conn, false);
    }
}

/* end_soon has on_done run at the end of the turn. */
static void end_soon(struct sql_tx *tx)
{
    tx->state = TX_ENDED;
    task_await(tx->task, end_waker);
    loop_defer(tx->sql->loop, &tx->end);
}

static void end(struct sql_tx *tx, int status, const struct sql_error *error)
{
    tx->status = status;
    if (error != NULL) {
        tx->error = *error;
        tx->error.message = STR("");
    }
    release(tx, true);
    end_soon(tx);
}

static void run_end(struct loop_deferred *deferred)
{
    struct sql_tx *tx = CONTAINER_OF(deferred, struct sql_tx, end);
    struct task *previous = task_enter(tx->task);
    task_release(tx->task); /* sql_tx_start's hold */
    if (tx->task != NULL) {
        task_unpark(tx->task);
    }
    task_awaited(tx->task, end_waker);
    tx->state = TX_IDLE;
    tx->on_done(tx);
    task_leave(previous);
}

static const struct sql_query_owner owner;

/* run_on_conn starts a query on the connection that the transaction holds. */
static void run_on_conn(struct sql_tx *tx, struct sql_query *query)
{
    query->tx = tx;
    query->owner = &owner;
    query->is_own = tx->is_own;
    query->task = tx->task;
    tx->query = query;
    sql_query_prepare(tx->sql, query);
    if (query->timeout_ms != 0) {
        sql_query_set_timer(query, query->timeout_ms);
    }
    sql_query_run(query, tx->lease.conn);
}

static void control(struct sql_tx *tx, enum tx_state state, const char *text)
{
    if (tx->lease.conn == NULL) {
        end(tx, tx->status < 0 ? tx->status : UV_ECONNRESET, NULL);
        return;
    }
    tx->state = (uint8_t)state;
    tx->control = (struct sql_query){
        .text = str_from(text),
        .name = text,
        .is_command = true,
    };
    run_on_conn(tx, &tx->control);
}

static void on_pause_over(struct wheel_timer *timer)
{
    struct sql_tx *tx = CONTAINER_OF(timer, struct sql_tx, pause);
    task_awaited(tx->task, pause_waker);
    tx->state = TX_BEGINNING;
    control(tx, TX_BEGINNING, "START TRANSACTION");
}

static void pause_before_retry(struct sql_tx *tx)
{
    tx->state = TX_PAUSING;
    task_await(tx->task, pause_waker);
    if (tx->task != NULL) {
        task_park(tx->task, "sleep");
    }
    loop_set_timer(tx->sql->loop, &tx->pause, random_below((uint64_t)PAUSE_MAX_MS * tx->tries));
}

static bool must_retry(const struct sql_tx *tx, const struct sql_query *query)
{
    return query->again == SQL_AGAIN_ALL && tx->tries < SQL_TRIES && tx->lease.conn != NULL;
}

/* undo begins another try. The server has rolled back already; ROLLBACK makes sure of it. */
static void undo(struct sql_tx *tx)
{
    tx->sql->stats.deadlock_retries++;
    control(tx, TX_UNDOING, "ROLLBACK");
}

static void begin_try(struct sql_tx *tx)
{
    tx->tries++;
    tx->state = TX_OPEN;
    tx->run(tx);
}

static void on_control_done(struct sql_tx *tx, const struct sql_result *result)
{
    if (tx->state == TX_ROLLING_BACK) {
        end(tx, tx->status, &tx->error);
    } else if (result->status < 0) {
        end(tx, result->status, &result->error);
    } else if (tx->state == TX_BEGINNING) {
        begin_try(tx);
    } else if (tx->state == TX_UNDOING) {
        pause_before_retry(tx);
    } else {
        end(tx, 0, NULL);
    }
}

static bool on_query_done(struct sql_query *query)
{
    struct sql_tx *tx = query->tx;
    tx->query = NULL;
    if (tx->state != TX_UNDOING && must_retry(tx, query)) {
        undo(tx);
        return false;
    }
    if (query != &tx->control) {
        tx->error = query->result.error;
        tx->error.message = STR("");
        return true;
    }
    on_control_done(tx, &query->result);
    return false;
}

static void on_query_cancelled(struct sql_query *query)
{
    query->tx->query = NULL;
}

static const struct sql_query_owner owner = {on_query_done, on_query_cancelled};

void sql_tx_fail(struct sql_tx *tx, int status)
{
    if (tx->query != NULL) {
        sql_query_detach(tx->query); /* drops the connection if it runs */
        tx->query = NULL;
    }
    release(tx, false);
    tx->status = status;
    end_soon(tx);
}

static void on_deadline(struct wheel_timer *timer)
{
    sql_tx_fail(CONTAINER_OF(timer, struct sql_tx, deadline), UV_ETIMEDOUT);
}

static void on_granted(struct sql_lease *lease)
{
    sql_query_run(&CONTAINER_OF(lease, struct sql_tx, lease)->control, lease->conn);
}

static void on_refused(struct sql_lease *lease, int status, const struct sql_error *error)
{
    sql_query_refuse(&CONTAINER_OF(lease, struct sql_tx, lease)->control, status, error);
}

/* submit asks for the connection on which START TRANSACTION is to run. */
static int submit(struct sql *sql, struct sql_tx *tx)
{
    tx->lease = (struct sql_lease){
        .granted = on_granted,
        .refused = on_refused,
        .is_first = tx->is_own,
        .is_own = tx->is_own,
    };
    tx->control = (struct sql_query){
        .text = STR("START TRANSACTION"),
        .name = "START TRANSACTION",
        .is_command = true,
        .is_own = tx->is_own,
        .tx = tx,
        .owner = &owner,
        .task = tx->task,
    };
    list_init(&tx->lease.link);
    sql_query_prepare(sql, &tx->control);
    tx->control.state = QUERY_WAITING;
    tx->query = &tx->control;
    tx->state = TX_BEGINNING;
    sql_query_set_waker(&tx->control, "mysql pool", 0);
    const int rc = sql_pool_submit(sql, &tx->lease);
    if (rc < 0) {
        sql_query_set_waker(&tx->control, NULL, 0);
        tx->state = TX_IDLE;
    } else if (tx->lease.is_waiting && tx->task != NULL) {
        task_park_for(tx->task, "mysql pool", tx->control.name, clock_now_ns());
    }
    return rc;
}

int sql_tx_start(struct sql *sql, struct sql_tx *tx)
{
    loop_require_lasting(sql->loop, tx, "sql_tx_start");
    tx->sql = sql;
    tx->status = 0;
    tx->error = (struct sql_error){0};
    tx->tries = 0;
    tx->end.run = run_end;
    list_init(&tx->end.link);
    wheel_timer_init(&tx->deadline, on_deadline);
    wheel_timer_init(&tx->pause, on_pause_over);
    const int rc = submit(sql, tx);
    if (rc < 0) {
        return rc;
    }
    task_hold(tx->task);
    list_push_back(&sql->txs, &tx->link);
    loop_set_timer(sql->loop, &tx->deadline,
                   tx->timeout_ms != 0 ? tx->timeout_ms : sql->options.query_timeout_ms);
    return 0;
}

static int run_in_tx(struct sql_tx *tx, struct sql_query *query, bool is_command)
{
    REQUIRE(tx->query == NULL && query->state == QUERY_IDLE);
    loop_require_lasting(tx->sql->loop, query, "sql_tx_query");
    if (tx->state != TX_OPEN) {
        return tx->status < 0 ? tx->status : UV_ECANCELED;
    }
    if (tx->lease.conn == NULL) {
        return UV_ECONNRESET;
    }
    const int rc = sql_query_check(tx->sql, query);
    if (rc < 0) {
        return rc;
    }
    query->is_command = is_command;
    run_on_conn(tx, query);
    return 0;
}

int sql_tx_query(struct sql_tx *tx, struct sql_query *query)
{
    return run_in_tx(tx, query, false);
}

int sql_tx_command(struct sql_tx *tx, struct sql_query *query)
{
    REQUIRE(query->param_count == 0);
    return run_in_tx(tx, query, true);
}

void sql_tx_commit(struct sql_tx *tx)
{
    REQUIRE(tx->query == NULL);
    if (tx->state == TX_OPEN) {
        control(tx, TX_COMMITTING, "COMMIT");
    }
}

void sql_tx_rollback(struct sql_tx *tx, int status)
{
    REQUIRE(tx->query == NULL && status < 0);
    if (tx->state == TX_OPEN) {
        tx->status = status;
        control(tx, TX_ROLLING_BACK, "ROLLBACK");
    }
}

void sql_tx_cancel(struct sql_tx *tx)
{
    if (tx->state == TX_IDLE) {
        return;
    }
    if (tx->state != TX_ENDED) {
        tx->sql->stats.cancels++;
        sql_tx_fail(tx, UV_ECANCELED);
    }
    loop_undefer(&tx->end);
    task_awaited(tx->task, end_waker);
    tx->state = TX_IDLE;
    task_release(tx->task);
}
