/* SPDX-License-Identifier: MIT
 *
 * shortage.h - what a protocol asks before it takes a request, a body or an answer: is there memory
 * for it.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_SHORTAGE_H
#define TOQ_CORE_HTTP_SHORTAGE_H

#include "core/http/server.h"

#define SHORTAGE_SMALL_BYTES                                                                       \
    8192 /* a body that fits into a block of a connection's queue, with its head */

/* shortage_refuses tells whether a request, whose route is known, must be refused with 503, and
 * counts it. */
bool shortage_refuses(const struct http_request *req);

/* shortage_refuses_body is the rare part of shortage_replaces. */
bool shortage_refuses_body(struct http_request *req, size_t len);

/* shortage_replaces answers in place of `response` when its body is too long for what memory is
 * left.
 *
 * Returns: whether it did; the request has ended then. */
static inline bool shortage_replaces(struct http_request *req, const struct http_response *response)
{
    return UNLIKELY(response->body.len > SHORTAGE_SMALL_BYTES) &&
           shortage_refuses_body(req, response->body.len);
}

#endif
