/* SPDX-License-Identifier: MIT
 *
 * transport.h - what carries a request: HTTP/1 or HTTP/2, as requests see it.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_TRANSPORT_H
#define TOQ_CORE_HTTP_TRANSPORT_H

#include "core/http/http.h"

/* What request.c calls to send an answer, and observers to name the peer. */
struct http_transport {
    const char *version; /* of HTTP, as spans have it: "1.1", "2" */
    void (*respond)(struct http_request *req, const struct http_response *response);
    void (*stream_start)(struct http_request *req, const struct http_response *response);
    bool (*stream_write)(struct http_request *req, struct str data); /* as http_stream_write */
    void (*stream_end)(struct http_request *req);
    /* answers with `response`, or breaks off a stream, and drops the request */
    void (*cancel)(struct http_request *req, const struct http_response *response);
    void (*format_peer)(const struct http_request *req, char *out); /* CONN_PEER_BYTES */
    void (*recycle)(struct http_request *req); /* nobody holds it: takes its memory back */
    /* for ROUTE_STREAM; HTTP/1 has none of them: */
    void (*consume)(struct http_request *req, size_t len);
    void (*stream_end_with)(struct http_request *req, const struct http_header *trailers,
                            size_t count);
    void (*reset)(struct http_request *req, enum http_reset code);
    bool (*may_queue)(const struct http_request *req, size_t len); /* http_may_send; NULL: always */
    const struct conn *(*get_conn)(const struct http_request *req); /* may be NULL: unknown */
};

#endif
