/* SPDX-License-Identifier: MIT
 *
 * http_metrics.h - the HTTP server families, with the series of a route found without a look-up.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_HTTP_METRICS_H
#define TOQ_CORE_HTTP_HTTP_METRICS_H

#include "core/http/observer.h"
#include "core/http/router.h"

struct http_metrics {
    struct metric_family *duration;
    struct metric_family *cpu;
    struct metric_family *request_bytes;
    struct metric_family *response_bytes;
    struct metric_family *late;
    struct metric_family *forgotten;
    double *active;
    struct http_series *all; /* owned: the series of all routes */
};

/* http_metrics_init registers the families.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int http_metrics_init(struct http_metrics *hm, struct metrics *metrics);

/* http_metrics_deinit frees the series that routes point at; no request ends afterwards. */
void http_metrics_deinit(struct http_metrics *hm);

/* http_metrics_on_end is an http_end_fn: it counts a request, and closes the account of its CPU
 * time. Without memory for a new series the request is not counted.
 *
 * ctx: a struct http_metrics.
 */
void http_metrics_on_end(void *ctx, struct http_request *req, struct http_end *end);

/* http_exemplars_on_end is an http_end_fn that runs after all others: the trace of a request that
 * is kept becomes an exemplar of its duration. ctx: NULL. */
void http_exemplars_on_end(void *ctx, struct http_request *req, struct http_end *end);

/* http_metrics_count_late counts a call that a handler made for a request that was cancelled and
 * had ended. */
void http_metrics_count_late(struct http_metrics *hm, struct route *route);

/* http_metrics_count_forgotten counts a forgotten request (forgotten.h). */
void http_metrics_count_forgotten(struct http_metrics *hm, struct route *route);

#endif
