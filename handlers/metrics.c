/* SPDX-License-Identifier: MIT
 *
 * metrics.c - the scrape.
 */
#include "handlers/metrics.h"

#include <string.h>

#define BODY_MAX_BYTES (16u << 20)

/* accepts_openmetrics looks for the media type by name. Prometheus lists it first whenever it wants
 * it, so weighing the q values would not change an answer. */
static bool accepts_openmetrics(const struct http_request *req)
{
    const struct str accept = http_header_get(req, STR("accept"));
    const struct str wanted = STR("application/openmetrics-text");
    return accept.ptr != NULL && memmem(accept.ptr, accept.len, wanted.ptr, wanted.len) != NULL;
}

void metrics_handle(struct http_request *req, void *arg)
{
    const bool is_openmetrics = accepts_openmetrics(req);
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    metrics_render(arg, is_openmetrics ? METRICS_OPENMETRICS_1_0_0 : METRICS_TEXT_0_0_4, &body);
    const struct http_response response = {
        .status = 200,
        .content_type = is_openmetrics
                            ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                            : "text/plain; version=0.0.4; charset=utf-8",
        .body = buf_str(&body),
    };
    if (body.is_failed) {
        http_respond_error(req, 503, "out of memory");
    } else {
        http_respond(req, &response);
    }
    buf_deinit(&body);
}
