/* SPDX-License-Identifier: MIT
 *
 * http2_out.c - sends queued frames and GOAWAY, ends the connection; and its memory.
 *
 * Failure: without memory the connection closes; its requests are abandoned at the end of the turn.
 * Thread:  the loop.
 */
#include <stdlib.h>

#include "core/http2/http2_session.h"

/* What a connection is charged with: its struct, and nghttp2's session with its tables and buffers,
 * as measured. */
#define SESSION_COST_BYTES (36u << 10)
/* Between two log lines: a peer that is cut off connects again at once, and so do others. */
#define CUT_LINE_MS 1000

/* --- frames --- */

static int send_frames(struct http2 *h2)
{
    while (!conn_is_clogged(h2->conn)) {
        const uint8_t *data;
        const ssize_t len = nghttp2_session_mem_send(h2->session, &data);
        if (len <= 0) {
            return (int)len;
        }
        if (conn_write(h2->conn, (const char *)data, (size_t)len) < 0) {
            return NGHTTP2_ERR_NOMEM;
        }
    }
    return 0;
}

bool http2_has_blocked(const struct http2 *h2)
{
    return !list_is_empty(&h2->blocked) && !h2->conn->is_clogged;
}

/* send_labelled sends frames for the task that runs; between tasks, for that of the last answer. */
static int send_labelled(struct http2 *h2)
{
    const bool is_labelled = task_current_label() != LABEL_NONE;
    if (!is_labelled) {
        (void)task_swap_label(h2->conn->label);
    }
    h2->is_busy = true;
    const int rv = send_frames(h2);
    h2->is_busy = false;
    if (!is_labelled) {
        (void)task_swap_label(LABEL_NONE);
    }
    return rv;
}

void http2_pump(struct http2 *h2)
{
    if (h2->is_busy || !conn_is_open(h2->conn)) {
        return;
    }
    /* it is asked often when there is nothing */
    if (nghttp2_session_want_write(h2->session) && send_labelled(h2) < 0) {
        conn_close(h2->conn);
        http2_finish(h2);
        return;
    }
    if (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session)) {
        http2_finish(h2);
        return;
    }
    if (http2_has_blocked(h2) || h2->resets_sent > 0 || h2->is_window_broken) {
        http2_wake(h2);
    }
}

void http2_wake(struct http2 *h2)
{
    loop_defer(h2->server->loop, &h2->wake);
}

/* --- the end --- */

void http2_finish(struct http2 *h2)
{
    h2->is_ending = true;
    h2->is_finished = true;
    conn_finish(h2->conn);
    http2_wake(h2);
}

void http2_end(struct http2 *h2, uint32_t code, struct str why)
{
    if (!h2->is_ending) {
        h2->is_ending = true;
        (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(h2->session), code,
                                    (const uint8_t *)why.ptr, why.len);
        http2_pump(h2);
        http2_finish(h2);
    }
}

void http2_goaway(struct http2 *h2)
{
    h2->is_goaway_sent = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

void http2_count_cut(struct http2 *h2, uint32_t code, enum http2_cut cut, struct str detail)
{
    struct http_server *server = h2->server;
    const uint64_t now_ms = loop_now_ms(server->loop);
    METRIC_ADD(server->http2_cuts->counts[cut], 1);
    if (now_ms < server->cut_line_due_ms) {
        server->cuts_left_out++;
        return;
    }
    char peer[CONN_PEER_BYTES];
    conn_format_peer(h2->conn, peer);
    const struct log_field fields[] = {log_cstr("reason", http2_cut_name(cut)),
                                       log_cstr("code", nghttp2_http2_strerror(code)),
                                       log_cstr("peer", peer),
                                       log_cstr("server", server->listener.name),
                                       log_u64("left_out", server->cuts_left_out),
                                       log_str("detail", detail)};
    log_event(LOG_INFO, "http2", "connection cut off", fields,
              ARRAY_COUNT(fields) - (detail.len > 0 ? 0 : 1));
    server->cut_line_due_ms = now_ms + CUT_LINE_MS;
    server->cuts_left_out = 0;
}

void http2_cut_off(struct http2 *h2, uint32_t code, enum http2_cut cut)
{
    if (!h2->is_ending) {
        http2_count_cut(h2, code, cut, STR(""));
        http2_end(h2, code, str_from(http2_cut_name(cut)));
    }
}

void http2_drop(struct http2 *h2, enum http2_cut cut)
{
    http2_count_cut(h2, NGHTTP2_NO_ERROR, cut, STR(""));
    conn_close(h2->conn);
    http2_finish(h2);
}

bool http2_is_leaving(const struct http2 *h2)
{
    return h2->is_leaving || h2->server->is_draining;
}

void http2_leave(struct http2 *h2)
{
    if (conn_is_open(h2->conn) && !h2->is_leaving) {
        h2->is_leaving = true;
        (void)nghttp2_submit_shutdown_notice(h2->session);
        http2_pump(h2);
        http2_wake(h2); /* to set another timer */
    }
}

/* --- memory --- */

struct http2 *http2_make(struct http_server *server)
{
    return quota_calloc(server->quota, sizeof(struct http2), SESSION_COST_BYTES, QUOTA_VITAL);
}

void http2_free(struct http2 *h2)
{
    INVARIANT(h2->conn == NULL && h2->event == NULL && h2->stream_count == 0);
    INVARIANT(list_is_empty(&h2->streams) && list_is_empty(&h2->blocked));
    INVARIANT(list_is_empty(&h2->lost) && list_is_empty(&h2->wake.link));
    INVARIANT(h2->queued_bytes == 0 && h2->held_bytes == 0);
    quota_release(h2->server->quota, SESSION_COST_BYTES);
    free(h2);
}
