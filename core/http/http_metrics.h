/* SPDX-License-Identifier: MIT
 *
 * http_metrics.h - the HTTP server families, with the series of a route found without a look-up.
 */
#ifndef TOQ_CORE_HTTP_HTTP_METRICS_H
#define TOQ_CORE_HTTP_HTTP_METRICS_H

#include "core/http/router.h"

struct usage_ended;

struct http_metrics {
    struct metric_family *duration;
    struct metric_family *cpu;
    struct metric_family *request_bytes;
    struct metric_family *response_bytes;
    struct metric_family *late;
    struct metric_family *forgotten;
    double *active;
    struct http_series *spare; /* all series, for http_metrics_deinit */
};

/* http_metrics_init registers the families.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int http_metrics_init(struct http_metrics *hm, struct metrics *metrics);

/* http_metrics_deinit forgets the series that routes point at. */
void http_metrics_deinit(struct http_metrics *hm);

/* http_metrics_count counts one answered request, and ends the account of its CPU time.
 *
 * now_ns: clock_now_ns, when its answer was complete.
 * Returns: as usage_end.
 */
struct usage_ended *http_metrics_count(struct http_metrics *hm, const struct http_request *req,
                                       uint64_t now_ns);

/* http_metrics_count_late counts what a handler sent for a request that was cancelled and had
 * ended. */
void http_metrics_count_late(struct http_metrics *hm, struct route *route);

/* http_metrics_count_forgotten counts a request that nothing will ever end. */
void http_metrics_count_forgotten(struct http_metrics *hm, struct route *route);

#endif
