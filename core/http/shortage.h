/* SPDX-License-Identifier: MIT
 *
 * shortage.h - what a protocol asks before it takes a request, a body or an answer: is there memory for it.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_SHORTAGE_H
#define TOQ_CORE_HTTP_SHORTAGE_H

#include "core/http/server.h"

/* shortage_refuses tells whether a request, whose route is known, must be refused with 503, and counts it. */
bool shortage_refuses(const struct http_request *req);

/* shortage_holds_body tells whether no more is to be read of a body of which so many bytes have come or are to
 * come: memory is short, and it is more than its connection may have. */
bool shortage_holds_body(const struct http_server *server, const struct conn *conn, uint64_t bytes);

/* shortage_replaces answers in place of `response` when its body is too long for what memory is left.
 *
 * Returns: whether it did; the request has ended then. */
bool shortage_replaces(struct http_request *req, const struct http_response *response);

#endif
