/* SPDX-License-Identifier: MIT
 *
 * parcels.c - a module with each part that a module may have: a variable, a table made in two
 * steps, a gRPC service two of whose methods are routes of HTTP, a route of its own, a transaction
 * and a watch. test_module_alone.py builds a server with it, to see that a feature needs a folder
 * and a line.
 */
#include "core/app/app_module.h"
#include "handlers/kit/tokens.h"
#include "handlers/kit/watch.h"
#include "toq/parcels/v1/parcels.pb-c.h"

#define TEXT_SUM                                                                                   \
    "SELECT COUNT(*), CAST(COALESCE(SUM(weight_g), 0) AS UNSIGNED) FROM parcels WHERE place = ?"

#define NEWS "toq:parcels:" /* prefix of the channels, one for each place */

typedef Toq__Parcels__V1__PutRequest put_request;
typedef Toq__Parcels__V1__WeighRequest weigh_request;
typedef Toq__Parcels__V1__WatchRequest watch_request;
typedef Toq__Parcels__V1__News news_message;

struct parcels {
    const struct app_context *context;
    const struct auth_tokens *tokens; /* of who may take parcels out */
    uint64_t max_weight_g;            /* PARCELS_MAX_WEIGHT_G */
};

/* clang-format off */
static const struct config_option options[] = {
    {.name = "PARCELS_MAX_WEIGHT_G", .kind = CONFIG_NUMBER,
     .offset = offsetof(struct parcels, max_weight_g), .value = "5000", .min = 1, .max = 30000,
     .unit = "grams", .help = "heavier parcels are refused"},
};
/* clang-format on */

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE IF NOT EXISTS parcels (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
    " place VARCHAR(100) NOT NULL, KEY (place))",
    /* 2 */
    "ALTER TABLE parcels ADD COLUMN IF NOT EXISTS weight_g INT UNSIGNED NOT NULL DEFAULT 0",
};

static const struct sql_schema schema = {
    .steps = steps, .step_count = ARRAY_COUNT(steps), .probe = "DELETE FROM parcels WHERE FALSE"};

/* --- gRPC and HTTP: a handler serves both --- */

static void on_weighed(void *arg, const struct sql_result *result)
{
    struct grpc_call *call = arg;
    Toq__Parcels__V1__WeighReply reply = TOQ__PARCELS__V1__WEIGH_REPLY__INIT;
    struct sql_rows rows = sql_rows_of(result);
    if (sql_rows_next(&rows)) {
        GRPC_SET(&reply, count, (uint32_t)sql_rows_u64(&rows));
        GRPC_SET(&reply, weight_g, sql_rows_u64(&rows));
    }
    if (rows.status < 0) {
        grpc_fail(call, rows.status);
    } else {
        grpc_respond(call, &reply.base);
    }
}

static void handle_weigh(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    const struct parcels *parcels = arg;
    const weigh_request *request = (const weigh_request *)message;
    sql_ask(parcels->context->sql, grpc_ref(call),
            &SQL_READ("parcels.sum", TEXT_SUM, sql_text(GRPC_TEXT(request->place))), on_weighed,
            call);
}

static void on_put(void *arg, int status)
{
    struct grpc_call *call = arg;
    const struct parcels *parcels = grpc_arg(call);
    const put_request *request = (const put_request *)grpc_message(call);
    const Toq__Parcels__V1__PutReply reply = TOQ__PARCELS__V1__PUT_REPLY__INIT;
    if (status < 0) {
        grpc_fail(call, status);
        return;
    }
    watch_publish(parcels->context, NEWS, GRPC_TEXT(request->place), STR("in"));
    grpc_respond(call, &reply.base);
}

static void handle_put(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    const struct parcels *parcels = arg;
    const put_request *request = (const put_request *)message;
    if (request->weight_g > parcels->max_weight_g) {
        grpc_end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT, "weight_g: over PARCELS_MAX_WEIGHT_G"));
        return;
    }
    /* a transaction: its end is told, and so its news, even if the client has left meanwhile */
    const struct sql_steps add =
        SQL_STEPS({.statement = SQL_STATEMENT(
                       "parcels.add", "INSERT INTO parcels (place, weight_g) VALUES (?, ?)",
                       sql_text(GRPC_TEXT(request->place)), sql_u64(request->weight_g))});
    sql_tx_steps(parcels->context->sql, grpc_ref(call), &add, on_put, call);
}

/* --- HTTP alone: the oldest parcel goes --- */

/* One request's, in its arena. */
struct removal {
    struct http_request *req;
    uint64_t weight_g;
};

static int take_weight(void *arg, struct sql_rows *rows)
{
    struct removal *removal = arg;
    removal->weight_g = sql_rows_u64(rows);
    return 0;
}

static void on_removed(void *arg, int status)
{
    const struct removal *removal = arg;
    struct http_request *req = removal->req;
    if (status < 0) {
        http_fail(req, status);
        return;
    }
    const struct parcels *parcels = req->route->arg;
    watch_publish(parcels->context, NEWS, req->params[0], STR("out"));
    http_respond_text(req, 200, "%llu g\n", (unsigned long long)removal->weight_g);
}

static void handle_out(struct http_request *req, void *arg)
{
    const struct parcels *parcels = arg;
    const struct sql_value place = sql_text(req->params[0]);
    struct str token;
    if (!tokens_may_write(parcels->tokens, req, &token)) {
        return;
    }
    struct removal *removal = arena_alloc(&req->arena, sizeof(*removal));
    if (removal == NULL) {
        http_fail(req, UV_ENOMEM);
        return;
    }
    *removal = (struct removal){.req = req};
    const struct sql_steps transaction = SQL_STEPS(
        {.statement = SQL_STATEMENT("parcels.oldest",
                                    "SELECT weight_g FROM parcels WHERE place = ?"
                                    " ORDER BY id LIMIT 1 FOR UPDATE",
                                    place),
         .wants = SQL_WANTS_ROW,
         .otherwise = UV_ENOENT,
         .take = take_weight},
        {.statement = SQL_STATEMENT(
             "parcels.remove", "DELETE FROM parcels WHERE place = ? ORDER BY id LIMIT 1", place)});
    sql_tx_steps(parcels->context->sql, http_ref(req), &transaction, on_removed, removal);
}

static const struct route_row routes[] = {
    {METHOD_POST, "/parcels/:place/out", handle_out, 0},
};

/* --- gRPC alone: the watch --- */

static void send_news(struct grpc_call *call, struct str text, void *arg)
{
    news_message news = TOQ__PARCELS__V1__NEWS__INIT;
    (void)arg;
    news.what_case = TOQ__PARCELS__V1__NEWS__WHAT_TEXT;
    news.text = GRPC_BYTES(text);
    watch_send(call, &news.base);
}

static void send_ready(struct grpc_call *call, void *arg)
{
    news_message news = TOQ__PARCELS__V1__NEWS__INIT;
    (void)arg;
    news.what_case = TOQ__PARCELS__V1__NEWS__WHAT_IS_READY;
    news.is_ready = true;
    watch_send(call, &news.base);
}

static void handle_watch(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    const struct parcels *parcels = arg;
    const watch_request *request = (const watch_request *)message;
    watch_start(call, parcels->context,
                &(struct watch_spec){.prefix = NEWS,
                                     .name = GRPC_TEXT(request->place),
                                     .on_ready = send_ready,
                                     .on_news = send_news});
}

static const struct grpc_method methods[] = {
    {"Weigh", GRPC_UNARY, handle_weigh, METHOD_GET, "/parcels/:place"},
    {"Put", GRPC_UNARY, handle_put, METHOD_POST, "/parcels/:place"},
    {"Watch", GRPC_SERVER_WATCH, handle_watch},
};

static const struct grpc_service services[] = {
    {.descriptor = &toq__parcels__v1__parcels__descriptor,
     .methods = methods,
     .method_count = ARRAY_COUNT(methods)},
};

/* --- the module --- */

static int open_module(void *state, const struct app_context *context)
{
    struct parcels *parcels = state;
    parcels->context = context;
    parcels->tokens = tokens_get(context);
    return 0;
}

const struct app_module parcels_module = {
    .name = "parcels",
    .state_bytes = sizeof(struct parcels),
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .schema = &schema,
    .routes = routes,
    .route_count = ARRAY_COUNT(routes),
    .services = services,
    .service_count = ARRAY_COUNT(services),
    .open = open_module,
};
