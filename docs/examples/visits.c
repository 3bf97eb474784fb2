/* SPDX-License-Identifier: MIT
 *
 * visits.c - a table with a cache: how often each page was visited, by MySQL, with Redis before it.
 *
 *     curl -X POST localhost:8080/visits/home
 *     curl localhost:8080/visits/home
 */
#include "core/app/app_module.h"

struct visits {
    const struct app_context *context;
    uint64_t cache_ms; /* VISITS_CACHE_MS */
};

/* clang-format off */
static const struct config_option options[] = {
    {.name = "VISITS_CACHE_MS", .kind = CONFIG_NUMBER, .offset = offsetof(struct visits, cache_ms),
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

static void on_read(void *arg, const struct sql_result *result)
{
    struct http_request *req = arg;
    const struct visits *visits = req->route->arg;
    struct sql_rows rows = sql_rows_of(result);
    const uint64_t count = sql_rows_next(&rows) ? sql_rows_u64(&rows) : 0;
    if (rows.status < 0) {
        http_fail(req, rows.status);
        return;
    }
    redis_tell(visits->context->redis, &REDIS_COMMAND(STR("SET"), req->path, STR_U64(count),
                                                      STR("PX"), STR_U64(visits->cache_ms)));
    http_respond_text(req, 200, "%llu\n", (unsigned long long)count);
}

/* on_cached asks MySQL for what Redis does not have, or does not answer. */
static void on_cached(void *arg, int status, const struct redis_reply *reply)
{
    struct http_request *req = arg;
    const struct visits *visits = req->route->arg;
    if (status == 0 && reply->type == REDIS_TEXT) {
        http_respond_text(req, 200, "%" STR_FMT "\n", STR_ARG(reply->text));
        return;
    }
    sql_ask(visits->context->sql, http_ref(req),
            &SQL_READ("visits.read", "SELECT count FROM visits WHERE page = ?",
                      sql_text(req->params[0])),
            on_read, req);
}

static void handle_get(struct http_request *req, void *arg)
{
    const struct visits *visits = arg;
    redis_ask(visits->context->redis, http_ref(req), &REDIS_COMMAND(STR("GET"), req->path),
              on_cached, req);
}

static void on_added(void *arg, const struct sql_result *result)
{
    struct http_request *req = arg;
    const struct visits *visits = req->route->arg;
    if (result->status < 0) {
        http_fail(req, result->status);
        return;
    }
    /* a read that began before may still put the older count there, for VISITS_CACHE_MS at most */
    redis_tell(visits->context->redis, &REDIS_COMMAND(STR("DEL"), req->path));
    http_respond_text(req, 200, "visited\n");
}

static void handle_post(struct http_request *req, void *arg)
{
    const struct visits *visits = arg;
    sql_ask(
        visits->context->sql, http_ref(req),
        &SQL_STATEMENT("visits.add",
                       "INSERT INTO visits VALUES (?, 1) ON DUPLICATE KEY UPDATE count = count + 1",
                       sql_text(req->params[0])),
        on_added, req);
}

static int open_module(void *state, const struct app_context *context)
{
    struct visits *visits = state;
    visits->context = context;
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
