/* SPDX-License-Identifier: MIT
 *
 * http2_flow.c - how much a peer may send, by the windows of streams and of the connection; and
 * whether a stream's handler should send more.
 *
 * Thread: the loop.
 */
#include "core/http2/http2_session.h"

/* Errors are lack of memory, or a stream that nghttp2 has closed meanwhile. */
void http2_flow_credit(struct http2_stream *st, size_t len)
{
    if (!http2_stream_is_closed(st) && len > 0) {
        (void)nghttp2_session_consume_stream(st->h2->session, st->id, len);
    }
}

void http2_flow_credit_connection(struct http2 *h2, size_t len)
{
    h2->owed_bytes += len;
    if (h2->held_bytes <= h2->server->limits.http2.connection_window_bytes) {
        (void)nghttp2_session_consume_connection(h2->session, h2->owed_bytes);
        h2->owed_bytes = 0;
    }
}

void http2_flow_ease(struct http2_stream *st)
{
    http2_flow_credit(st, st->held_credit);
    st->held_credit = 0;
}

void http2_flow_consume(struct http2_stream *st, size_t len)
{
    REQUIRE(len <= st->held_bytes);
    st->held_bytes -= len;
    st->h2->held_bytes -= len;
    http2_flow_credit(st, len);
    http2_flow_credit_connection(st->h2, 0);
}

bool http2_flow_has_share(const struct http2 *h2)
{
    const size_t queued = h2->queued_bytes + h2->conn->out.len;
    return queued <= HTTP2_HIGH_BYTES || queued <= conn_share(h2->conn);
}

bool http2_flow_has_room(const struct http2_stream *st, size_t limit)
{
    const struct http2 *h2 = st->h2;
    return st->out.len <= limit && !h2->is_ending && !conn_is_clogged(h2->conn) &&
           http2_flow_has_share(h2);
}
