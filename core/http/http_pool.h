/* SPDX-License-Identifier: MIT
 *
 * http_pool.h - the memory of requests, made once and used again: a busy server allocates none. A
 * protocol keeps each request at the head of a struct of its own.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_HTTP_POOL_H
#define TOQ_CORE_HTTP_HTTP_POOL_H

#include "core/http/request.h"
#include "core/http/server.h"

/* What a protocol's requests are. */
struct http_pool_kind {
    size_t size;       /* of the struct that begins with the http_request */
    size_t cost_bytes; /* charged to the server's quota beside its arena; 0: nothing */
};

/* http_pool_get takes a spare struct or makes one, zeroed but for its arena, and starts its
 * request.
 *
 * kind:    always the same for a pool; borrowed for good.
 * Returns: the request, which http_pool_put takes back; NULL when memory is missing.
 */
MUST_USE struct http_request *
http_pool_get(struct http_pool *pool, const struct http_pool_kind *kind, struct http_server *server,
              const struct http_transport *transport, uint64_t ready_ns);

/* http_pool_put takes back an ended request: to be used again, or freed when HTTP_SPARE_MAX are
 * kept. */
void http_pool_put(struct http_pool *pool, struct http_request *req);

/* http_pool_free frees those that are kept. */
void http_pool_free(struct http_pool *pool);

#endif
