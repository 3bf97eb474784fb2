/* SPDX-License-Identifier: MIT
 *
 * metrics.h - GET /metrics.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_METRICS_H
#define TOQ_HANDLERS_DIAGNOSTICS_METRICS_H

#include "core/http/http.h"

/* metrics_handle prints the registry `metrics` as Prometheus text, or as OpenMetrics when the
 * client accepts it. */
void metrics_handle(struct http_request *req, void *metrics);

#endif
