/* SPDX-License-Identifier: MIT
 *
 * http1_exchange.c - exchanges, out of their server's pool and back.
 */
#include "core/http1/http1_exchange.h"

static const struct http_pool_kind kind = {.size = sizeof(struct http1_exchange)};

struct http1_exchange *http1_exchange_get(struct http_server *server,
                                          const struct http_transport *transport, uint64_t ready_ns)
{
    struct http_request *req =
        http_pool_get(&server->exchanges, &kind, server, transport, ready_ns);
    if (req == NULL) {
        return NULL;
    }
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    buf_init_charged(&ex->body, server->limits.body_bytes, server->quota);
    return ex;
}

void http1_exchange_recycle(struct http_request *req)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    buf_deinit(&ex->body); /* bodies are rare and may be big */
    http_pool_put(&req->server->exchanges, req);
}
