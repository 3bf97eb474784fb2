/* SPDX-License-Identifier: MIT
 *
 * health.c - the three health routes.
 */
#include "handlers/health.h"

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

void health_handle(struct http_request *req, void *arg)
{
    const struct health *health = arg;
    const double uptime_s = (double)(clock_now_ns() - health->start_ns) * 1e-9;
    struct buf body;
    buf_init(&body, 4096);
    buf_printf(&body, "{\"status\":\"%s\",\"version\":", health->is_draining ? "draining" : "ok");
    buf_append_json(&body, str_from(health->version));
    buf_printf(&body, ",\"uptime_seconds\":%.3f,\"dependencies\":{}}\n", uptime_s);
    if (body.is_failed) {
        http_respond_error(req, 503, "out of memory");
    } else {
        respond_json(req, health->is_draining ? 503 : 200, buf_str(&body));
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
    if (health->is_draining) {
        respond_json(req, 503, STR("{\"status\":\"draining\"}\n"));
    } else {
        respond_json(req, 200, STR("{\"status\":\"ok\"}\n"));
    }
}
