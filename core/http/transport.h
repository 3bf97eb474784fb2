/* SPDX-License-Identifier: MIT
 *
 * transport.h - what carries a request: HTTP/1 or HTTP/2, as requests see it.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_TRANSPORT_H
#define TOQ_CORE_HTTP_TRANSPORT_H

#include "core/http/http.h"

/* request.c calls it; observers ask it for the peer. */
struct http_transport {
    const char *version; /* of HTTP, as conventions write it: "1.1", "2" */
    void (*respond)(struct http_request *req, const struct http_response *response);
    void (*stream_start)(struct http_request *req, const struct http_response *response);
    bool (*stream_write)(struct http_request *req, struct str data);
    void (*stream_end)(struct http_request *req);
    /* answer with `response`, or break off a stream, and drop the request */
    void (*cancel)(struct http_request *req, const struct http_response *response);
    void (*format_peer)(const struct http_request *req, char *out); /* CONN_PEER_BYTES */
    void (*recycle)(struct http_request *req); /* nobody holds it: take its memory back */
    /* for ROUTE_STREAM, which HTTP/1 has not: */
    void (*consume)(struct http_request *req, size_t len);
    void (*stream_end_with)(struct http_request *req, const struct http_header *trailers,
                            size_t count);
    void (*reset)(struct http_request *req, enum http_reset code);
    bool (*may_queue)(const struct http_request *req, size_t len); /* http_may_send; NULL: always */
    const struct conn *(*get_conn)(const struct http_request *req);
};

#endif
