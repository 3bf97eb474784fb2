/* SPDX-License-Identifier: MIT
 *
 * metrics.h - GET /metrics.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_METRICS_H
#define TOQ_HANDLERS_DIAGNOSTICS_METRICS_H

#include "core/http/http.h"

/* What a scrape prints: the registry of the loop that answers, whose collectors run for it, and
 * that of the work loop, which runs its own; NULL: it is the same loop. */
struct metrics_scrape {
    const struct metrics *registries[2];
};

/* metrics_handle answers GET /metrics as Prometheus text, or as OpenMetrics when the client accepts
 * it.
 *
 * scrape: a struct metrics_scrape.
 */
void metrics_handle(struct http_request *req, void *scrape);

#endif
