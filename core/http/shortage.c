/* SPDX-License-Identifier: MIT
 *
 * shortage.c - requests that are refused, bodies that wait and answers that are replaced, while memory is short.
 */
#include "core/http/shortage.h"

#define SMALL_BODY_BYTES                                                                           \
    8192 /* an answer that fits into a block of the connection's queue, with its head */

static void count(const struct http_server *server)
{
    if (server->budget != NULL) {
        server->budget->refused++;
    }
}

bool shortage_refuses(const struct http_request *req)
{
    const struct http_server *server = req->server;
    if (LIKELY(quota_level(server->quota) != QUOTA_FULL) ||
        (req->route->flags & ROUTE_VITAL) != 0) {
        return false;
    }
    count(server);
    return true;
}

bool shortage_holds_body(const struct http_server *server, const struct conn *conn, uint64_t bytes)
{
    return UNLIKELY(quota_level(server->quota) != QUOTA_EASY) && bytes > conn_share(conn);
}

bool http_may_send(struct http_request *req, size_t len)
{
    return len <= SMALL_BODY_BYTES || req->transport->may_queue == NULL ||
           req->transport->may_queue(req, len);
}

bool shortage_replaces(struct http_request *req, const struct http_response *response)
{
    if (LIKELY(http_may_send(req, response->body.len))) {
        return false;
    }
    count(req->server);
    router_refusal(req->server->router)(req, 503, "out of memory");
    return true;
}
