/* SPDX-License-Identifier: MIT
 *
 * visits.c - a table with a cache: how often each page was visited, in MySQL, and in Redis for a
 * while.
 *
 *     curl -X POST localhost:8080/visits/home
 *     curl localhost:8080/visits/home
 */
#include "core/app/app_module.h"
#include "handlers/kit/cached.h"

#define TEXT_READ "SELECT count FROM visits WHERE page = ?"
#define TEXT_ADD  "INSERT INTO visits VALUES (?, 1) ON DUPLICATE KEY UPDATE count = count + 1"

struct visits {
    struct cached cached; /* its ttl_ms is VISITS_CACHE_MS */
};

/* clang-format off */
static const struct config_option options[] = {
    {.name = "VISITS_CACHE_MS", .kind = CONFIG_NUMBER,
     .offset = offsetof(struct visits, cached.ttl_ms),
     .value = "60000", .min = 1, .max = 3600000, .unit = "milliseconds",
     .help = "how long Redis keeps a page's visits"},
};
/* clang-format on */

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE IF NOT EXISTS visits (page VARCHAR(100) NOT NULL PRIMARY KEY,"
    " count BIGINT UNSIGNED NOT NULL)",
};

static const struct sql_schema schema = {
    .steps = steps, .step_count = ARRAY_COUNT(steps), .probe = "DELETE FROM visits WHERE FALSE"};

static void on_read(void *arg, int status, struct str count)
{
    struct http_request *req = arg;
    if (status < 0) {
        http_fail(req, status);
        return;
    }
    http_respond_text(req, 200, "%" STR_FMT "\n", STR_ARG(count));
}

static void handle_get(struct http_request *req, void *arg)
{
    const struct visits *visits = arg;
    const struct cached_value value = {
        .name = req->params[0],
        .statement = SQL_READ("visits.read", TEXT_READ, sql_text(req->params[0])),
        .absent = STR("0"),
    };
    cached_ask(&visits->cached, http_ref(req), &value, on_read, req);
}

static void on_forgotten(void *arg)
{
    http_respond_text(arg, 200, "visited\n");
}

static void on_added(void *arg, int status)
{
    struct http_request *req = arg;
    const struct visits *visits = req->route->arg;
    if (status < 0) {
        cached_forget(&visits->cached, req->params[0]); /* nobody knows what was done */
        http_fail(req, status);
        return;
    }
    cached_forget_then(&visits->cached, http_ref(req), req->params[0], on_forgotten, req);
}

static void handle_post(struct http_request *req, void *arg)
{
    const struct visits *visits = arg;
    const struct sql_steps add =
        SQL_STEPS({.statement = SQL_STATEMENT("visits.add", TEXT_ADD, sql_text(req->params[0]))});
    sql_tx_steps(visits->cached.sql, http_ref(req), &add, on_added, req);
}

static int open_module(void *state, const struct app_context *context)
{
    struct visits *visits = state;
    visits->cached.sql = context->sql;
    visits->cached.redis = context->redis;
    visits->cached.prefix = "toq:visits:";
    return 0;
}

static const struct route_row routes[] = {
    {METHOD_GET, "/visits/:page", handle_get, 0},
    {METHOD_POST, "/visits/:page", handle_post, 0},
};

const struct app_module example_visits = {
    .name = "visits",
    .state_bytes = sizeof(struct visits),
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .schema = &schema,
    .routes = routes,
    .route_count = ARRAY_COUNT(routes),
    .open = open_module,
};
