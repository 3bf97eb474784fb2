/* SPDX-License-Identifier: MIT
 *
 * transfer.c - a transaction: money goes from one account to another, or stays where it is.
 *
 *     curl -X POST 'localhost:8080/transfers/Ana/Bia?cents=250'
 */
#include "core/app/app_module.h"

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE IF NOT EXISTS accounts (name VARCHAR(100) NOT NULL PRIMARY KEY,"
    " cents BIGINT NOT NULL)",
    /* 2 */
    "INSERT IGNORE INTO accounts VALUES ('Ana', 1000), ('Bia', 0)",
};

static const struct sql_schema schema = {
    .steps = steps, .step_count = ARRAY_COUNT(steps), .probe = "DELETE FROM accounts WHERE FALSE"};

/* One request's, in its arena. */
struct transfer {
    struct http_request *req;
    int64_t cents;
    int64_t left; /* in the first account, afterwards */
};

static void ask_to_add(struct sql_tx *tx, struct str name, int64_t cents, sql_tx_asked_fn on_done)
{
    sql_tx_ask(tx,
               &SQL_STATEMENT("accounts.add",
                              "UPDATE accounts SET cents = cents + ? WHERE name = ?",
                              sql_i64(cents), sql_text(name)),
               on_done);
}

static void on_given(struct sql_tx *tx, void *arg, const struct sql_result *result)
{
    (void)arg;
    if (result->affected_rows == 0) {
        sql_tx_rollback(tx, UV_ENOENT); /* nobody has that name: all is undone */
        return;
    }
    sql_tx_commit(tx);
}

static void on_taken(struct sql_tx *tx, void *arg, const struct sql_result *result)
{
    const struct transfer *transfer = arg;
    (void)result;
    ask_to_add(tx, transfer->req->params[1], transfer->cents, on_given);
}

static void on_locked(struct sql_tx *tx, void *arg, const struct sql_result *result)
{
    struct transfer *transfer = arg;
    struct sql_rows rows = sql_rows_of(result);
    if (!sql_rows_next(&rows)) {
        sql_tx_rollback(tx, UV_ENOENT);
        return;
    }
    transfer->left = sql_rows_i64(&rows) - transfer->cents;
    if (transfer->left < 0) {
        sql_tx_rollback(tx, UV_EAGAIN);
        return;
    }
    ask_to_add(tx, transfer->req->params[0], -transfer->cents, on_taken);
}

/* run begins the transaction, and begins it anew when another one was in its way. */
static void run(struct sql_tx *tx, void *arg)
{
    const struct transfer *transfer = arg;
    sql_tx_ask(tx,
               &SQL_STATEMENT("accounts.lock",
                              "SELECT cents FROM accounts WHERE name = ? FOR UPDATE",
                              sql_text(transfer->req->params[0])),
               on_locked);
}

static void on_done(void *arg, int status)
{
    const struct transfer *transfer = arg;
    if (status == UV_EAGAIN) {
        http_respond_error(transfer->req, 409, "too little money");
    } else if (status < 0) {
        http_fail(transfer->req, status);
    } else {
        http_respond_text(transfer->req, 200, "%lld left\n", (long long)transfer->left);
    }
}

static void handle_transfer(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    struct transfer *transfer = arena_alloc(&req->arena, sizeof(*transfer));
    struct str text;
    uint64_t cents;
    if (transfer == NULL) {
        http_fail(req, UV_ENOMEM);
    } else if (!http_query_get(req, STR("cents"), &text) || !str_parse_u64(text, 1000000, &cents)) {
        http_respond_error(req, 400, "cents: a number up to 1000000");
    } else {
        *transfer = (struct transfer){.req = req, .cents = (int64_t)cents};
        sql_tx_begin(context->sql, http_ref(req), run, on_done, transfer);
    }
}

static const struct route_row routes[] = {
    {METHOD_POST, "/transfers/:from/:to", handle_transfer, 0},
};

const struct app_module example_transfer = {
    .name = "transfer",
    .schema = &schema,
    .routes = routes,
    .route_count = ARRAY_COUNT(routes),
};
