/* SPDX-License-Identifier: MIT
 *
 * exemplar.h - for each bucket of a histogram the trace of one value that fell into it, so that a
 * dashboard leads from a slow bucket to a request.
 *
 * Memory: 1.4 KiB for each histogram that has one; the registry frees it with the histogram.
 * Thread: exemplar_note: the histogram's loop; exemplar_copy: any.
 * Source: OpenMetrics 1.0, exemplars.
 */
#ifndef TOQ_CORE_TELEMETRY_EXEMPLAR_H
#define TOQ_CORE_TELEMETRY_EXEMPLAR_H

#include "core/telemetry/metrics.h"
#include "core/telemetry/trace.h"

/* A copy of one. */
struct exemplar {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[TRACE_SPAN_ID_BYTES];
    double value;
    uint64_t wall_ns; /* clock_wall_ns */
};

/* exemplar_note keeps a value's trace, in place of the one that its bucket had. Without memory for
 * it nothing happens. */
void exemplar_note(struct metric_histogram *h, double value, const struct trace_context *trace,
                   uint64_t wall_ns);

/* exemplar_copy copies the exemplar of a bucket.
 *
 * Returns: false: it has none.
 * Thread:  any.
 */
MUST_USE bool exemplar_copy(const struct metric_histogram *h, size_t bucket,
                            struct exemplar *ret_exemplar);

#endif
