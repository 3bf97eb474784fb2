/* SPDX-License-Identifier: MIT
 *
 * http2_session.c - nghttp2's session of a connection: its set-up and its callbacks. Those only
 * take notes; http2.c acts on them between the frames.
 *
 * Memory:  the session is http2.c's to delete.
 * Thread:  the loop.
 */
#include "core/http2/http2_session.h"

#include <stdlib.h>

#define PING_BYTES 8
/* A head of up to so many times header_bytes is decoded, dropped and answered with 431. */
#define HEAD_LIMITS_MAX 4

static const uint8_t drain_ping[PING_BYTES] = "toqdrain";

/* --- nghttp2's callbacks --- */

void http2_note(struct http2 *h2, struct http2_stream *st)
{
    struct http2_stream *previous = h2->event;
    if (st != NULL) {
        http_hold(&st->req);
    }
    h2->event = st;
    if (previous != NULL) {
        http_release(&previous->req);
    }
}

static struct http2_stream *find(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* on_begin_headers: requests that run count even when their streams are closed; else a peer could
 * start any number of them by resetting each. */
static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    const int32_t id = frame->hd.stream_id;
    h2->head_bytes = 0;
    h2->head = NULL;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct http2_stream *st = NULL;
    if (h2->stream_count < h2->server->limits.http2.max_streams && !h2->is_goaway_sent) {
        st = h2->session_events->open(h2, id);
    }
    if (st == NULL) {
        const int rv =
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return nghttp2_is_fatal(rv) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }
    (void)nghttp2_session_set_stream_user_data(session, id, st); /* it has just begun */
    h2->head = st;
    return 0;
}

/* on_header: one byte of a block may stand for a field of 4 KiB, which nghttp2 checks each time; so
 * a connection is cut off before there is much of that, even when the fields are dropped. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)session;
    (void)frame;
    (void)flags;
    struct http2 *h2 = user_data;
    h2->head_bytes += name_len + value_len + HTTP2_FIELD_BYTES;
    if (h2->head_bytes > HEAD_LIMITS_MAX * h2->server->limits.header_bytes) {
        h2->is_head_too_big = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (h2->head != NULL) {
        http2_head_add(h2->head, (struct str){(const char *)name, name_len},
                       (struct str){(const char *)value, value_len});
    }
    return 0;
}

/* on_invalid_header makes a stream error of a field that nghttp2 would leave out. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *user_data)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)user_data;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        h2->is_padding = !is_end && frame->hd.length > 0 && frame->hd.length == frame->data.padlen;
        /* fall through */
    case NGHTTP2_HEADERS:
        http2_note(h2, find(session, frame->hd.stream_id));
        if (h2->event != NULL && is_end) {
            h2->event->is_body_done = true;
        }
        break;
    case NGHTTP2_PING:
        h2->keepalive.is_asked = (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && h2->wait == WAIT_PING &&
            memcmp(frame->ping.opaque_data, drain_ping, PING_BYTES) == 0) {
            h2->is_goaway_due = true;
        }
        break;
    case NGHTTP2_SETTINGS:
        h2->has_settings = true;
        break;
    default:
        break;
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *user_data)
{
    (void)flags;
    struct http2 *h2 = user_data;
    http2_note(h2, find(session, id));
    h2->event_data = (struct str){(const char *)data, len};
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.last_stream_id == INT32_MAX &&
        frame->goaway.error_code == NGHTTP2_NO_ERROR) {
        /* its acknowledgement will show that the GOAWAY has arrived */
        (void)nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, drain_ping);
    }
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                        (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA);
    http2_guard_sent(h2, frame);
    struct http2_stream *st = is_end ? find(session, frame->hd.stream_id) : NULL;
    const int rv = st == NULL ? 0 : h2->session_events->sent_end(st);
    return nghttp2_is_fatal(rv) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct http2 *h2 = user_data;
    struct http2_stream *st = find(session, id);
    const bool is_reset = h2->is_reading && h2->cursor.type == NGHTTP2_RST_STREAM;
    http2_guard_closed(h2, id, is_reset || (st != NULL && st->is_body_done));
    if (st != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, id, NULL);
        h2->session_events->closed(st, code);
    }
    return 0;
}

/* --- the session --- */

static nghttp2_session_callbacks *make_callbacks(const struct http2_session_events *events)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, events->send_data);
    return callbacks;
}

static nghttp2_option *make_option(const struct http2_limits *limits)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0) {
        return NULL;
    }
    nghttp2_option_set_no_recv_client_magic(option, 1); /* greeting.c has read it */
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1); /* the guard remembers them */
    nghttp2_option_set_max_continuations(option, (size_t)limits->max_continuations);
    /* the guard limits resets, by a limit that can be configured, and names the reason */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
    return option;
}

/* nghttp2 allocates by these, so that a test can make an allocation fail. */
static void *take_memory(size_t size, void *arg)
{
    (void)arg;
    return malloc(size);
}

static void *take_zeroed(size_t count, size_t size, void *arg)
{
    (void)arg;
    return calloc(count, size);
}

static void *take_more(void *old, size_t size, void *arg)
{
    (void)arg;
    return realloc(old, size);
}

static void give_back(void *memory, void *arg)
{
    (void)arg;
    free(memory);
}

static int submit_settings(struct http2 *h2)
{
    const struct http_limits *limits = &h2->server->limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)limits->http2.max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)limits->http2.stream_window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->header_bytes},
    };
    const int rv =
        nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_COUNT(settings));
    if (rv != 0) {
        return rv;
    }
    return nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                 (int32_t)limits->http2.connection_window_bytes);
}

int http2_session_make(struct http2 *h2, const struct http2_session_events *events)
{
    nghttp2_mem memory = {
        .malloc = take_memory, .free = give_back, .calloc = take_zeroed, .realloc = take_more};
    nghttp2_session_callbacks *callbacks = make_callbacks(events);
    nghttp2_option *option = make_option(&h2->server->limits.http2);
    int rv = NGHTTP2_ERR_NOMEM;
    h2->session_events = events;
    if (callbacks != NULL && option != NULL) {
        rv = nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &memory);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return rv == 0 ? submit_settings(h2) : rv;
}
