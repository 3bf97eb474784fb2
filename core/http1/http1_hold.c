/* SPDX-License-Identifier: MIT
 *
 * http1_hold.c - what a connection of HTTP/1 holds, and what it does not read, while memory is
 * short.
 */
#include "core/http/shortage.h"
#include "core/http1/http1_exchange.h"

/* http1_hold_body: what waits too long ends as a body does that comes too slowly, with 503 in place
 * of 408. */
void http1_hold_body(struct http1 *h1)
{
    const struct http1_exchange *ex = h1->exchange;
    const uint64_t bytes = ex->chunks.seen_bytes + ex->body_left_bytes;
    h1->is_held = shortage_holds_body(h1->server, h1->conn, bytes);
    if (h1->is_held) {
        conn_pause(h1->conn);
    }
}

void http1_ease(struct conn *conn)
{
    struct http1 *h1 = conn->ctx;
    if (h1->is_held) {
        h1->is_held = false;
        conn_resume(conn);
    }
}

struct conn_weight http1_weigh(const struct conn *conn)
{
    const struct http1 *h1 = conn->ctx;
    const struct http1_exchange *ex = h1->exchange;
    return (struct conn_weight){
        .held_bytes = h1->in.cap + (ex == NULL ? 0 : ex->body.cap + ex->req.arena.used_bytes),
        .moved_bytes = conn->moved_bytes,
    };
}
