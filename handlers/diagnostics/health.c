/* SPDX-License-Identifier: MIT
 *
 * health.c - the three health routes.
 */
#include "handlers/diagnostics/health.h"

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/clock.h"

static void respond_json(struct http_request *req, int status, struct str body)
{
    const struct http_header no_store = {STR("Cache-Control"), STR("no-store")};
    const struct http_response response = {
        .status = status,
        .content_type = "application/json",
        .body = body,
        .headers = &no_store,
        .header_count = 1,
    };
    http_respond(req, &response);
}

static bool is_sql_ready(const struct health *health)
{
    const enum sql_state state = health->sql == NULL ? SQL_UP : sql_get_health(health->sql).state;
    return state == SQL_UP || state == SQL_DEGRADED;
}

static bool is_all_well(const struct health *health)
{
    return (health->sql == NULL || sql_get_health(health->sql).state == SQL_UP) &&
           (health->redis == NULL || redis_get_health(health->redis).state == REDIS_HEALTH_UP);
}

bool health_is_ready(const struct health *health)
{
    return !health->is_draining && is_sql_ready(health);
}

/* status_of says in a word whether work should be sent, and whether all of it can be done. */
static const char *status_of(const struct health *health)
{
    if (health->is_draining) {
        return "draining";
    }
    if (!is_sql_ready(health)) {
        return "unavailable";
    }
    return is_all_well(health) ? "ok" : "degraded";
}

static int code_of(const struct health *health)
{
    return health_is_ready(health) ? 200 : 503;
}

/* put_dependency writes one member of "dependencies". Why one is down is for the log: the message may
 * tell strangers of hosts and users.
 *
 * reason: a literal; "" for none. */
static void put_dependency(struct buf *body, const char *name, const char *state,
                           const char *reason, uint64_t latency_ns)
{
    buf_printf(body, "\"%s\":{\"state\":\"%s\",", name, state);
    if (reason[0] != '\0') {
        buf_printf(body, "\"reason\":\"%s\",", reason);
    }
    if (latency_ns > 0) {
        buf_printf(body, "\"latency_ms\":%.3f}", (double)latency_ns / (double)NS_PER_MS);
    } else {
        buf_append_cstr(body, "\"latency_ms\":null}"); /* not answered, or not asked yet */
    }
}

static void put_dependencies(struct buf *body, const struct health *health)
{
    static const char *const states[] = {
        [SQL_CONNECTING] = "connecting",
        [SQL_UP] = "up",
        [SQL_DEGRADED] = "degraded",
        [SQL_DOWN] = "down",
    };
    static const char *const redis_states[] = {[REDIS_HEALTH_DOWN] = "down",
                                               [REDIS_HEALTH_DEGRADED] = "degraded",
                                               [REDIS_HEALTH_UP] = "up"};
    if (health->sql != NULL) {
        const struct sql_health sql = sql_get_health(health->sql);
        const bool has_latency = sql.state == SQL_UP || sql.state == SQL_DEGRADED;
        put_dependency(body, "mysql", states[sql.state], sql.reason,
                       has_latency ? sql.latency_ns : 0);
    }
    if (health->redis != NULL) {
        const struct redis_health redis = redis_get_health(health->redis);
        buf_append_cstr(body, health->sql == NULL ? "" : ",");
        put_dependency(body, "redis", redis_states[redis.state], redis.reason,
                       redis.is_ready ? redis.latency_ns : 0);
    }
}

void health_handle(struct http_request *req, void *arg)
{
    const struct health *health = arg;
    const double uptime_s = (double)(clock_now_ns() - health->start_ns) * 1e-9;
    struct buf body;
    buf_init(&body, 4096);
    buf_printf(&body, "{\"status\":\"%s\",\"version\":", status_of(health));
    buf_append_json(&body, str_from(health->version));
    buf_printf(&body, ",\"uptime_seconds\":%.3f,\"dependencies\":{", uptime_s);
    put_dependencies(&body, health);
    buf_append_cstr(&body, "}}\n");
    if (body.is_failed) {
        http_respond_error(req, 503, "out of memory");
    } else {
        respond_json(req, code_of(health), buf_str(&body));
    }
    buf_deinit(&body);
}

void health_handle_live(struct http_request *req, void *arg)
{
    (void)arg;
    respond_json(req, 200, STR("{\"status\":\"ok\"}\n"));
}

void health_handle_ready(struct http_request *req, void *arg)
{
    const struct health *health = arg;
    char body[64];
    const int len = snprintf(body, sizeof(body), "{\"status\":\"%s\"}\n", status_of(health));
    respond_json(req, code_of(health), (struct str){body, (size_t)len});
}
