/* SPDX-License-Identifier: MIT
 *
 * http_pool.c - a list of requests to use again, with their arenas.
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

static struct http_request *make(const struct http_pool_kind *kind, struct quota *quota)
{
    struct http_request *req = quota_calloc(quota, kind->size, kind->cost_bytes, QUOTA_NORMAL);
    if (req != NULL) {
        arena_init_charged(&req->arena, ARENA_MAX_BYTES, quota);
    }
    return req;
}

static struct http_request *take(struct http_pool *pool)
{
    struct http_request *req = pool->first;
    pool->first = req->next_spare;
    pool->count--;
    memset(req + 1, 0, pool->kind->size - sizeof(*req));
    return req;
}

struct http_request *http_pool_get(struct http_pool *pool, const struct http_pool_kind *kind,
                                   struct http_server *server,
                                   const struct http_transport *transport, uint64_t ready_ns)
{
    pool->kind = kind;
    struct http_request *req = pool->first != NULL ? take(pool) : make(kind, server->quota);
    if (req == NULL) {
        return NULL;
    }
    if (http_request_init(req, server, transport, ready_ns) < 0) {
        destroy(pool, req);
        return NULL;
    }
    return req;
}

void http_pool_put(struct http_pool *pool, struct http_request *req)
{
    if (pool->count == HTTP_SPARE_MAX) {
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
