/* SPDX-License-Identifier: MIT
 *
 * shortage.h - tells whether there is memory for a request, or for the body of an answer.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_SHORTAGE_H
#define TOQ_CORE_HTTP_SHORTAGE_H

#include "core/http/server.h"

/* A body that fits into a block of a connection's queue (OUTQ_BLOCK_BYTES), with its head. */
#define SHORTAGE_SMALL_BYTES 8192

/* shortage_refuses tells whether a request must be refused with 503, and counts it if so; its route
 * is known. */
bool shortage_refuses(const struct http_request *req);

/* shortage_refuses_body is the rare part of shortage_replaces. */
bool shortage_refuses_body(struct http_request *req, size_t len);

/* shortage_replaces answers 503 in place of `response` when there is not enough memory for its
 * body.
 *
 * Returns: whether it did; the request has ended then. */
static inline bool shortage_replaces(struct http_request *req, const struct http_response *response)
{
    return UNLIKELY(response->body.len > SHORTAGE_SMALL_BYTES) &&
           shortage_refuses_body(req, response->body.len);
}

#endif
