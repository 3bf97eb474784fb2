/* SPDX-License-Identifier: MIT
 *
 * transfer.c - a transaction: money goes from one account to another, or stays where it is.
 *
 *     curl -X POST 'localhost:8080/transfers/Ana/Bia?cents=250'
 */
#include "core/app/app_module.h"

#define TEXT_LOCK "SELECT cents FROM accounts WHERE name = ? FOR UPDATE"
#define TEXT_ADD  "UPDATE accounts SET cents = cents + ? WHERE name = ?"

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

/* take_left runs anew when another transaction was in the way: it has no effect but on `arg`. */
static int take_left(void *arg, struct sql_rows *rows)
{
    struct transfer *transfer = arg;
    transfer->left = sql_rows_i64(rows) - transfer->cents;
    return transfer->left < 0 ? UV_EAGAIN : 0;
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

static void start(const struct app_context *context, struct transfer *transfer)
{
    const struct sql_value from = sql_text(transfer->req->params[0]);
    const struct sql_value to = sql_text(transfer->req->params[1]);
    const struct sql_steps transaction = SQL_STEPS(
        {.statement = SQL_STATEMENT("accounts.lock", TEXT_LOCK, from),
         .wants = SQL_WANTS_ROW,
         .otherwise = UV_ENOENT,
         .take = take_left},
        {.statement = SQL_STATEMENT("accounts.add", TEXT_ADD, sql_i64(-transfer->cents), from)},
        {.statement = SQL_STATEMENT("accounts.add", TEXT_ADD, sql_i64(transfer->cents), to),
         .wants = SQL_WANTS_CHANGE,
         .otherwise = UV_ENOENT}); /* nobody has that name: all is undone */
    sql_tx_steps(context->sql, http_ref(transfer->req), &transaction, on_done, transfer);
}

static void handle_transfer(struct http_request *req, void *arg)
{
    struct transfer *transfer = arena_alloc(&req->arena, sizeof(*transfer));
    struct str text;
    uint64_t cents;
    if (transfer == NULL) {
        http_fail(req, UV_ENOMEM);
    } else if (!http_query_get(req, STR("cents"), &text) || !str_parse_u64(text, 1000000, &cents)) {
        http_respond_error(req, 400, "cents: a number up to 1000000");
    } else {
        *transfer = (struct transfer){.req = req, .cents = (int64_t)cents};
        start(arg, transfer);
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
