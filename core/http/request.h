/* SPDX-License-Identifier: MIT
 *
 * request.h - what a protocol does with a request: begins it, routes it, dispatches it, abandons
 * it.
 *
 * Flow:   http_request_init -> http_request_split -> http_request_route -> http_request_dispatch ->
 *         handler -> transport->respond -> transport->recycle
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_REQUEST_H
#define TOQ_CORE_HTTP_REQUEST_H

#include "core/http/transport.h"

/* http_request_init starts a request, whose memory is HTTP_SPARE, and its task.
 *
 * now_ns:  clock_now_ns, when its first byte came.
 * Returns: 0; UV_ENOMEM: there is no request.
 */
MUST_USE int http_request_init(struct http_request *req, struct http_server *server,
                               const struct http_transport *transport, uint64_t now_ns);

/* http_request_split sets req->path and req->query; req->method and req->target are set.
 *
 * rest:    what follows scheme and authority in req->target.
 * Returns: NULL; or what is wrong with the target, which is a 400: a literal.
 */
MUST_USE const char *http_request_split(struct http_request *req, struct str rest);

/* http_request_decode_query sets req->parameters from req->query; http_request_route calls it.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int http_request_decode_query(struct http_request *req);

/* http_request_route finds the route for req->method and req->path and decodes its parameters and
 * the query's.
 *
 * Returns: 0, also when nothing matches; UV_EINVAL for a path that cannot be decoded; UV_ENOMEM.
 */
MUST_USE int http_request_route(struct http_request *req);

/* http_request_dispatch runs the server's guard, which may answer itself, then the handler of
 * req->route, and sets the deadline if that has not answered. A request that matched no route has
 * the router's handler for those. */
void http_request_dispatch(struct http_request *req);

/* http_tell_drain runs the on_drain of all unanswered requests of a server, of each once. */
void http_tell_drain(struct http_server *server);

/* What a handler waits for its peer to do. */
enum http_peer_wait {
    HTTP_PEER_SENDS = 1, /* its on_body is to run */
    HTTP_PEER_READS = 2, /* its on_writable is to run */
};

/* http_await_peer notes that a handler waits for the peer, so that its request is not leaked. */
void http_await_peer(struct http_request *req, enum http_peer_wait wait);

/* http_peer_has ends such a wait: on_writable runs, or on_body with the end of the body. */
void http_peer_has(struct http_request *req, enum http_peer_wait wait);

/* http_end_waits ends all waits of http_wait and http_await_peer of a request that is cancelled. */
void http_end_waits(struct http_request *req);

/* http_request_abandon ends a request that no handler has seen, or cancels one that a handler has:
 * the peer left. The protocol has dropped the request already. Harmless when the request has
 * ended. */
void http_request_abandon(struct http_request *req);

/* http_is_unanswered tells whether a handler has the request and its answer is not complete. */
bool http_is_unanswered(const struct http_request *req);

#endif
