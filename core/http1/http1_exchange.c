/* SPDX-License-Identifier: MIT
 *
 * http1_exchange.c - exchanges, made once and used again: a busy server allocates none.
 */
#include "core/http1/http1_exchange.h"

#include <stdlib.h>

#include "core/http1/http1.h"

#define ARENA_MAX_BYTES (4u << 20) /* a head, its decoded copies, and what a handler builds */

static void destroy(struct http1_exchange *ex)
{
    buf_deinit(&ex->body);
    arena_deinit(&ex->req.arena);
    free(ex);
}

static struct http1_exchange *get_memory(struct http_server *server)
{
    struct http1_exchange *ex = server->spare;
    if (ex != NULL) {
        server->spare = ex->next;
        server->spare_count--;
        return ex;
    }
    ex = calloc(1, sizeof(*ex));
    if (ex == NULL && quota_note_short(server->quota)) {
        ex = calloc(1, sizeof(*ex));
    }
    if (ex != NULL) {
        arena_init_charged(&ex->req.arena, ARENA_MAX_BYTES, server->quota);
        buf_init_charged(&ex->body, server->limits.body_bytes, server->quota);
    }
    return ex;
}

struct http1_exchange *http1_exchange_get(struct http_server *server,
                                          const struct http_transport *transport, uint64_t ready_ns)
{
    struct http1_exchange *ex = get_memory(server);
    if (ex == NULL) {
        return NULL;
    }
    if (http_request_init(&ex->req, server, transport, ready_ns) < 0) {
        destroy(ex);
        return NULL;
    }
    ex->next = NULL;
    ex->body_left_bytes = 0;
    ex->body_kind = BODY_NONE;
    ex->is_body_done = false;
    ex->is_body_wanted = false;
    ex->is_keep_alive = false;
    ex->is_continue_expected = false;
    ex->is_chunked_answer = false;
    ex->chunks = (struct http1_chunks){0};
    ex->fault = (struct http1_fault){0, NULL};
    return ex;
}

void http1_exchange_recycle(struct http_request *req)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    struct http_server *server = req->server;
    if (server->spare_count == HTTP_SPARE_MAX) {
        destroy(ex);
        return;
    }
    arena_reset(&req->arena);
    buf_deinit(&ex->body); /* bodies are rare and may be big */
    ex->next = server->spare;
    server->spare = ex;
    server->spare_count++;
}

void http1_free_spare(struct http_server *server)
{
    while (server->spare != NULL) {
        struct http1_exchange *next = server->spare->next;
        destroy(server->spare);
        server->spare = next;
    }
    server->spare_count = 0;
}
