/* SPDX-License-Identifier: MIT
 *
 * request.h - what a protocol does with a request: begins it, routes it, has it handled, lets go of
 * it.
 *
 * Flow:   http_request_init -> http_request_split -> http_request_route -> http_request_dispatch ->
 *         handler -> transport->respond -> transport->recycle
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_REQUEST_H
#define TOQ_CORE_HTTP_REQUEST_H

#include "core/http/transport.h"

/* http_request_init starts a request whose first byte came at `now_ns`, and its task.
 *
 * Returns: 0; UV_ENOMEM: there is no request.
 */
MUST_USE int http_request_init(struct http_request *req, struct http_server *server,
                               const struct http_transport *transport, uint64_t now_ns);

/* http_request_split takes req->path and req->query from req->target, of which `rest` is what
 * follows a scheme and an authority. They are set for req->method.
 *
 * Returns: NULL; or what is wrong with the target, which is a 400.
 */
MUST_USE const char *http_request_split(struct http_request *req, struct str rest);

/* http_request_decode_query sets req->parameters from req->query.
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

/* http_request_dispatch runs the handler of req->route, and sets the deadline if it has not
 * answered. Without a handler it answers: 404, 405 with Allow, 501, or OPTIONS with 204; and 403
 * where the Host field is checked and strange. */
void http_request_dispatch(struct http_request *req);

/* http_tell_drain runs the on_drain of all requests of a server. */
void http_tell_drain(struct http_server *server);

/* What a handler waits for its peer to do. */
enum http_peer_wait {
    HTTP_PEER_SENDS = 1, /* its on_body is to run */
    HTTP_PEER_READS = 2, /* its on_writable is to run */
};

/* http_await_peer says that a handler waits for that. */
void http_await_peer(struct http_request *req, enum http_peer_wait wait);

/* http_peer_has says that it does so no more: the callback runs, of a body the last one. */
void http_peer_has(struct http_request *req, enum http_peer_wait wait);

/* http_end_waits says that a request waits for nothing more that http_wait or http_await_peer has
 * said: it is cancelled. */
void http_end_waits(struct http_request *req);

/* http_request_abandon ends a request that no handler has seen, or tells its handler, who is still
 * to end it, that the peer left. The protocol has dropped the request already. Harmless when the
 * request has ended. */
void http_request_abandon(struct http_request *req);

/* http_is_unanswered tells whether a handler has the request and its answer is not complete. */
bool http_is_unanswered(const struct http_request *req);

#endif
