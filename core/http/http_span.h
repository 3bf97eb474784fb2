/* SPDX-License-Identifier: MIT
 *
 * http_span.h - which requests are kept to be exported, and what is kept of them.
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
    uint64_t slow_ns; /* a request that takes as long is kept; 0: none for that */
    uint64_t hold_ns; /* ... and one that runs for so long at a stretch */
    uint64_t look_ns; /* the lesser of the two: what takes less is neither */
};

/* http_spans_on_end is a http_end_fn: it writes a request into the ring that is sampled or, though
 * it is not, has failed, was slow or has held the loop.
 *
 * ctx: the server.
 */
void http_spans_on_end(void *ctx, struct http_request *req, struct http_end *end);

#endif
