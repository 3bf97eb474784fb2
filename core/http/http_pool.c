/* SPDX-License-Identifier: MIT
 *
 * http_pool.c - a list of spare requests, with their arenas.
 */
#include "core/http/http_pool.h"

#include <stdlib.h>

#define ARENA_MAX_BYTES (4u << 20) /* a head, its decoded copies, and what a handler builds */

static void destroy(const struct http_pool *pool, struct http_request *req)
{
    quota_release(req->arena.quota, pool->kind->cost_bytes);
    arena_deinit(&req->arena);
    free(req);
}

/* add allocates one more spare request. */
static bool add(struct http_pool *pool, struct quota *quota)
{
    const struct http_pool_kind *kind = pool->kind;
    struct http_request *req = quota_calloc(quota, kind->size, kind->cost_bytes, QUOTA_NORMAL);
    if (req != NULL) {
        arena_init_charged(&req->arena, ARENA_MAX_BYTES, quota);
        pool->first = req;
        pool->count++;
    }
    return req != NULL;
}

struct http_request *http_pool_get(struct http_pool *pool, const struct http_pool_kind *kind,
                                   struct http_server *server,
                                   const struct http_transport *transport, uint64_t ready_ns)
{
    pool->kind = kind;
    if (pool->first == NULL && !add(pool, server->quota)) {
        return NULL;
    }
    struct http_request *req = pool->first;
    struct http_request *next = req->next_spare;
    memset(req + 1, 0, kind->size - sizeof(*req));
    if (http_request_init(req, server, transport, ready_ns) < 0) {
        req->next_spare = next;
        return NULL;
    }
    pool->first = next;
    pool->count--;
    return req;
}

void http_pool_put(struct http_pool *pool, struct http_request *req)
{
    if (pool->count + 1 > HTTP_SPARE_MAX) {
        destroy(pool, req);
        return;
    }
    arena_reset(&req->arena);
    req->next_spare = pool->first;
    pool->first = req;
    pool->count++;
}

void http_pool_free(struct http_pool *pool)
{
    while (pool->first != NULL) {
        struct http_request *next = pool->first->next_spare;
        destroy(pool, pool->first);
        pool->first = next;
    }
    pool->count = 0;
}
