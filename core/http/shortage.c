/* SPDX-License-Identifier: MIT
 *
 * shortage.c - requests that are refused and answers that are replaced while memory is short.
 */
#include "core/http/shortage.h"

#include "core/http/request.h"

static void count(const struct http_server *server)
{
    if (server->budget != NULL) {
        (void)atomic_fetch_add_explicit(&server->budget->refused, 1, memory_order_relaxed);
    }
}

bool shortage_refuses(const struct http_request *req)
{
    if (LIKELY(quota_level(req->server->quota) != QUOTA_FULL) ||
        (req->route->flags & ROUTE_VITAL) != 0) {
        return false;
    }
    count(req->server);
    return true;
}

bool http_may_send(struct http_request *req, size_t len)
{
    return len <= SHORTAGE_SMALL_BYTES || req->transport->may_queue == NULL ||
           req->transport->may_queue(req, len);
}

bool shortage_refuses_body(struct http_request *req, size_t len)
{
    if (http_may_send(req, len)) {
        return false;
    }
    count(req->server);
    router_refusal(req->server->router)(req, 503, "out of memory");
    return true;
}
