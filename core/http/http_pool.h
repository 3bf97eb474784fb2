/* SPDX-License-Identifier: MIT
 *
 * http_pool.h - the memory of requests, allocated once and used again. A protocol's struct begins
 * with its http_request.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_HTTP_POOL_H
#define TOQ_CORE_HTTP_HTTP_POOL_H

#include "core/http/request.h"
#include "core/http/server.h"

/* The requests of a protocol. */
struct http_pool_kind {
    size_t size;       /* of the struct that begins with the http_request */
    size_t cost_bytes; /* charged to the server's quota beside its arena; 0: nothing */
};

/* http_pool_get takes a spare struct or allocates one, zeroed but for its arena, and starts its
 * request.
 *
 * kind:     always the same for a pool; borrowed for good.
 * ready_ns: when the first byte came, conn_ready_ns's.
 * Returns:  the request, for http_pool_put; NULL when memory is missing.
 */
MUST_USE struct http_request *
http_pool_get(struct http_pool *pool, const struct http_pool_kind *kind, struct http_server *server,
              const struct http_transport *transport, uint64_t ready_ns);

/* http_pool_put takes an ended request back: it becomes spare, or is freed when there are
 * HTTP_SPARE_MAX already. */
void http_pool_put(struct http_pool *pool, struct http_request *req);

/* http_pool_free frees the spare requests. */
void http_pool_free(struct http_pool *pool);

#endif
