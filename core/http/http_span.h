/* SPDX-License-Identifier: MIT
 *
 * http_span.h - which requests are kept to be exported, and what is kept of them.
 *
 * Thread: the server's loop.
 */
#ifndef TOQ_CORE_HTTP_HTTP_SPAN_H
#define TOQ_CORE_HTTP_HTTP_SPAN_H

#include "core/http/http.h"
#include "core/loop/span_ring.h"
#include "core/telemetry/sampler.h"

/* What the servers of a loop share. */
struct http_spans {
    struct sampler sampler;
    struct span_ring *ring;
    uint64_t slow_ns; /* a request that takes as long is kept; 0: none for that */
    uint64_t hold_ns; /* ... and one that runs for so long at a stretch */
    uint64_t look_ns; /* the lesser of the two: what takes less is neither */
};

/* A http_format_peer_fn writes who sent a request, in SPAN_PEER_BYTES: http_transport's. */
typedef void (*http_format_peer_fn)(const struct http_request *req, char *out);

/* http_span_may_matter tells whether a request that has just been answered is worth a look by
 * http_span_keep: most that are not sampled are not. */
static inline bool http_span_may_matter(const struct http_request *req,
                                        const struct http_spans *spans, uint64_t now_ns)
{
    return req->sampling != HTTP_UNSAMPLED || req->status >= 500 || req->rpc_status != NULL ||
           now_ns - req->task.start_ns >= spans->look_ns;
}

/* http_span_keep looks at a request that has just been answered, and writes it into the ring if it
 * is sampled or, though it is not, has failed, was slow or has held the loop.
 *
 * version: of HTTP, as conventions write it; a literal.
 */
void http_span_keep(struct http_request *req, uint64_t now_ns, const char *version,
                    http_format_peer_fn format_peer);

#endif
