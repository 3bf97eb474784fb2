/* SPDX-License-Identifier: MIT
 *
 * http_span.h - decides which requests are exported as spans, and records them.
 *
 * Thread: the server's loop.
 */
#ifndef TOQ_CORE_HTTP_HTTP_SPAN_H
#define TOQ_CORE_HTTP_HTTP_SPAN_H

#include "core/http/http.h"
#include "core/http/observer.h"
#include "core/task/span_ring.h"
#include "core/telemetry/sampler.h"

/* What the servers of a loop share. */
struct http_spans {
    struct sampler sampler;
    struct span_ring *ring;
    uint64_t slow_ns; /* a request that takes as long is kept; 0: no limit */
    uint64_t hold_ns; /* ... and one that runs this long at a stretch; 0: no limit */
    uint64_t look_ns; /* the lesser of those that are set: a shorter request is neither */
};

/* http_spans_on_end is an http_end_fn: it writes a request into the ring if the request is sampled,
 * has failed, was slow or has held the loop. A full ring drops and counts.
 *
 * ctx: the server.
 */
void http_spans_on_end(void *ctx, struct http_request *req, struct http_end *end);

#endif
