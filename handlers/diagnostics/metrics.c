/* SPDX-License-Identifier: MIT
 *
 * metrics.c - answers a scrape.
 */
#include "handlers/diagnostics/metrics.h"

#include "core/http/accept.h"

#define BODY_MAX_BYTES   (16u << 20)
#define TEXT_TYPE        "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

static const struct str types[] = {
    [METRICS_TEXT_0_0_4] = {TEXT_TYPE, sizeof(TEXT_TYPE) - 1},
    [METRICS_OPENMETRICS_1_0_0] = {OPENMETRICS_TYPE, sizeof(OPENMETRICS_TYPE) - 1},
};

void metrics_handle(struct http_request *req, void *arg)
{
    const struct metrics_scrape *scrape = arg;
    struct str accept;
    if (http_header_join(req, STR("accept"), &accept) < 0) {
        http_respond_error(req, 503, "out of memory");
        return;
    }
    const size_t format = accept_choose(accept, types, ARRAY_COUNT(types));
    struct buf body;
    buf_init(&body, BODY_MAX_BYTES);
    metrics_collect(scrape->registries[0]);
    metrics_render(scrape->registries, scrape->registries[1] == NULL ? 1 : 2,
                   (enum metrics_format)format, &body);
    const struct http_response response = {
        .status = 200,
        .content_type = types[format].ptr,
        .body = buf_str(&body),
    };
    if (body.is_failed) {
        http_respond_error(req, 503, "out of memory");
    } else {
        http_respond(req, &response);
    }
    buf_deinit(&body);
}
