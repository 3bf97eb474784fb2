/* SPDX-License-Identifier: MIT
 *
 * http1_exchange.c - takes exchanges from their server's pool, and gives them back.
 */
#include "core/http1/http1_exchange.h"

#include <stdlib.h>

struct http1_exchange *http1_begin(struct http1 *h1)
{
    static const struct http_pool_kind kind = {.size = sizeof(struct http1_exchange)};
    struct http_server *server = h1->server;
    struct http_request *req =
        http_pool_get(&server->exchanges, &kind, server, &http1_transport, conn_ready_ns(h1->conn));
    if (req == NULL) {
        h1->phase = PHASE_BROKEN;
        return NULL;
    }
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    ex->h1 = h1;
    h1->exchange = ex;
    h1->exchange_count++;
    h1->phase = PHASE_HANDLER;
    return ex;
}

void http1_recycle(struct http_request *req)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    struct http1 *h1 = ex->h1;
    buf_deinit(&ex->body); /* bodies are rare and may be big */
    http_pool_put(&req->server->exchanges, req);
    h1->exchange_count--;
    if (h1->conn == NULL) {
        http1_free_unused(h1);
    } else if (h1->exchange_count == HTTP1_EXCHANGES_MAX - 1) {
        loop_defer(h1->server->loop, &h1->resume);
    }
}

void http1_free_unused(struct http1 *h1)
{
    if (h1->conn == NULL && h1->exchange_count == 0) {
        INVARIANT(h1->exchange == NULL);
        INVARIANT(list_is_empty(&h1->link) && list_is_empty(&h1->resume.link));
        free(h1);
    }
}
