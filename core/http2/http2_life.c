/* SPDX-License-Identifier: MIT
 *
 * http2_life.c - the states of a stream, what it releases when it leaves one, and its memory.
 *
 * Thread: the loop.
 */
#include "core/http2/http2.h"
#include "core/http2/http2_session.h"

#define LIFE(life) (1u << STREAM_##life)

void http2_life_set(struct http2_stream *st, enum http2_life life)
{
    static const uint8_t may_follow[] = {
        [STREAM_HEAD] = LIFE(BODY) | LIFE(WAITING) | LIFE(HANDLED) | LIFE(ANSWERED) | LIFE(CLOSED),
        [STREAM_BODY] = LIFE(WAITING) | LIFE(HANDLED) | LIFE(ANSWERED) | LIFE(CLOSED),
        [STREAM_WAITING] = LIFE(HANDLED) | LIFE(ANSWERED) | LIFE(CLOSED),
        [STREAM_HANDLED] = LIFE(ANSWERED) | LIFE(LOST) | LIFE(CLOSED),
        [STREAM_ANSWERED] = LIFE(LINGERING) | LIFE(CLOSED),
        [STREAM_LINGERING] = LIFE(CLOSED),
        [STREAM_LOST] = LIFE(CLOSED),
        [STREAM_CLOSED] = 0,
    };
    INVARIANT((may_follow[st->life] & (1u << life)) != 0);
    st->life = life;
}

void http2_life_release(struct http2_stream *st)
{
    const size_t held = st->held_bytes;
    list_unlink(&st->queue);
    if (held > 0) {
        http2_flow_consume(st, held);
    }
}

void http2_life_answer(struct http2_stream *st)
{
    if (!st->is_watched) {
        wheel_unset(&st->timer); /* of the body */
    }
    http2_life_set(st, STREAM_ANSWERED);
    http2_life_release(st);
}

void http2_life_linger(struct http2_stream *st)
{
    http2_life_set(st, STREAM_LINGERING);
    loop_set_timer(st->req.server->loop, &st->timer, HTTP2_LINGER_MS);
}

void http2_life_block(struct http2_stream *st)
{
    list_unlink(&st->queue);
    list_push_back(&st->h2->blocked, &st->queue);
}

/* --- memory --- */

/* check_unused asserts that nothing points to a stream any more. */
static void check_unused(const struct http2_stream *st)
{
    INVARIANT(st->life == STREAM_CLOSED);
    INVARIANT(list_is_empty(&st->link) && list_is_empty(&st->queue));
    INVARIANT(!wheel_is_set(&st->timer));
    INVARIANT(st->out.len == 0 && st->held_bytes == 0);
}

void http2_life_recycle(struct http_request *req)
{
    struct http2_stream *st = CONTAINER_OF(req, struct http2_stream, req);
    struct http_server *server = req->server;
    struct http2 *h2 = st->h2;
    check_unused(st);
    buf_deinit(&st->body);
    http_pool_put(&server->streams, req);
    h2->stream_count--;
    if (h2->conn == NULL && h2->stream_count == 0) {
        http2_free(h2);
    }
}
