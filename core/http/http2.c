/* SPDX-License-Identifier: MIT
 *
 * http2.c - HTTP/2 on one connection: bytes in, frames to nghttp2, requests out of them; and the end.
 *
 * Flow:    on_data -> feed: frame by frame: guard -> nghttp2 (callbacks take notes) -> the stream goes on:
 * head -> [body] -> http_request_dispatch -> handler -> respond -> http2_pump -> conn_write
 * Failure: what the peer does wrong to a stream resets that; to the connection: GOAWAY, conn_finish; the
 * requests that were running are abandoned, once. Memory:  nghttp2's session, and this struct.
 * Thread:  the loop.
 */
#include "core/http/http2.h"

#include <stdlib.h>

#include "core/http/http2_session.h"

#define PING_BYTES 8
/* Frames that wait to be sent while more are read: nghttp2 calls 1000 acknowledgements a flood. */
#define QUEUE_FRAMES 100

static const uint8_t drain_ping[PING_BYTES] = "toqdrain";

/* --- the end ------------------------------------------------------------------------------------- */

static void let_go(struct http2 *h2)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &h2->streams)
    {
        http2_stream_closed(CONTAINER_OF(pos, struct http2_stream, link), NGHTTP2_CANCEL);
    }
}

/* finish sends what is queued and closes; the requests are told at the end of the turn, for one of them may
 * be on its way through here. */
static void finish(struct http2 *h2)
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
        finish(h2);
    }
}

void http2_cut_off(struct http2 *h2, uint32_t code, enum http2_cut cut)
{
    if (h2->is_ending) {
        return;
    }
    char peer[CONN_PEER_BYTES];
    conn_format_peer(h2->conn, peer);
    LOG(LOG_DEBUG, "http2", "cutting off a connection", log_cstr("reason", http2_cut_name(cut)),
        log_cstr("code", nghttp2_http2_strerror(code)), log_cstr("peer", peer));
    ++*h2->server->metrics->http2_cuts[cut];
    http2_end(h2, code, str_from(http2_cut_name(cut)));
}

void http2_drop(struct http2 *h2, enum http2_cut cut)
{
    ++*h2->server->metrics->http2_cuts[cut];
    conn_close(h2->conn);
    finish(h2);
}

/* --- timers -------------------------------------------------------------------------------------- */

static void set_wait(struct http2 *h2, enum http2_wait wait, uint64_t timeout_ms)
{
    h2->wait = wait;
    conn_set_timeout(h2->conn, timeout_ms);
}

bool http2_is_leaving(const struct http2 *h2)
{
    return h2->is_leaving || h2->server->is_draining;
}

/* settle sets the timer for what the connection waits for now. A stream's waits have timers of its own. */
static void settle(struct http2 *h2)
{
    const struct http_limits *limits = &h2->server->limits;
    if (!conn_is_open(h2->conn)) {
        return;
    }
    if (!h2->has_settings) {
        if (h2->wait != WAIT_SETTINGS) {
            set_wait(h2, WAIT_SETTINGS, limits->header_timeout_ms);
        }
    } else if (http2_guard_is_in_head(h2)) {
        if (h2->wait != WAIT_HEAD || h2->is_head_new) {
            set_wait(h2, WAIT_HEAD, limits->header_timeout_ms);
        }
    } else if (http2_is_leaving(h2) && !h2->is_goaway_sent) {
        if (h2->wait != WAIT_PING) {
            set_wait(h2, WAIT_PING, HTTP_DRAIN_IDLE_MS);
        }
    } else if (!list_is_empty(&h2->streams)) {
        set_wait(h2, WAIT_NOTHING, 0);
    } else if (h2->wait != WAIT_STREAM) {
        /* once: PINGs do not keep a connection that nobody uses */
        set_wait(h2, WAIT_STREAM, limits->http2.idle_timeout_ms);
    }
    h2->is_head_new = false;
}

/* --- output -------------------------------------------------------------------------------------- */

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

static bool has_thirsty(const struct http2 *h2)
{
    return !list_is_empty(&h2->thirsty) && !h2->conn->is_clogged;
}

void http2_pump(struct http2 *h2)
{
    if (h2->is_busy || !conn_is_open(h2->conn)) {
        return;
    }
    const uint32_t previous_label = task_current_label;
    if (previous_label == LABEL_NONE) {
        (void)task_swap_label(h2->conn->label); /* whose answer was the last goes on */
    }
    h2->is_busy = true;
    const int rv = send_frames(h2);
    h2->is_busy = false;
    (void)task_swap_label(previous_label);
    if (rv < 0) {
        conn_close(h2->conn);
        finish(h2);
        return;
    }
    if (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session)) {
        finish(h2);
        return;
    }
    http2_guard_settle(h2);
    if (has_thirsty(h2)) {
        http2_wake(h2);
    }
}

/* --- input --------------------------------------------------------------------------------------- */

static void give_up(struct http2 *h2, int rv)
{
    if (rv == NGHTTP2_ERR_FLOODED) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_CONTROL_FRAMES);
    } else if (rv == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_CONTINUATIONS);
    } else {
        conn_close(h2->conn); /* no memory */
        finish(h2);
    }
}

static void advance(struct http2 *h2)
{
    struct http2_stream *st = h2->event;
    const struct str data = h2->event_data;
    h2->event = NULL;
    h2->event_data = STR("");
    if (st != NULL && !st->is_closed) {
        http2_stream_advance(st, data);
    }
    if (h2->keepalive.is_asked) {
        h2->keepalive.is_asked = false;
        http2_keepalive_asked(h2);
    }
}

static void feed(struct http2 *h2, const char *data, size_t len)
{
    while (len > 0 && !h2->is_ending) {
        const size_t count = http2_guard_walk(h2, data, len);
        if (h2->is_ending) {
            break;
        }
        h2->is_busy = true;
        h2->is_reading = true;
        const ssize_t rv = nghttp2_session_mem_recv(h2->session, (const uint8_t *)data, count);
        h2->is_reading = false;
        h2->is_busy = false;
        if (rv < 0) {
            give_up(h2, (int)rv);
            break;
        }
        advance(h2);
        if (nghttp2_session_get_outbound_queue_size(h2->session) > QUEUE_FRAMES) {
            http2_pump(h2);
        }
        data += count;
        len -= count;
    }
}

static void on_data(struct conn *conn, const char *data, size_t len)
{
    struct http2 *h2 = conn->ctx;
    h2->keepalive.received_ms = loop_now_ms(h2->server->loop);
    h2->keepalive.is_asking = false;
    feed(h2, data, len);
    if (h2->is_goaway_due && !h2->is_goaway_sent) {
        http2_goaway(h2);
    }
    http2_pump(h2);
    if (conn_is_open(conn) && conn_is_clogged(conn)) {
        conn_pause(conn); /* a peer that does not read is not read: its frames make answers */
    }
    settle(h2);
}

/* --- nghttp2's callbacks ------------------------------------------------------------------------- */

static struct http2_stream *find(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* on_begin_headers: requests that run count even when their streams are closed, or a peer could start any
 * number of them by resetting each. */
static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    const int32_t id = frame->hd.stream_id;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct http2_stream *st = NULL;
    if (h2->running_count < h2->server->limits.http2.max_streams && !h2->is_goaway_sent) {
        st = http2_stream_open(h2, id);
    }
    if (st == NULL) {
        const int rv =
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return nghttp2_is_fatal(rv) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }
    (void)nghttp2_session_set_stream_user_data(session, id, st); /* it exists: it has just begun */
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)flags;
    (void)user_data;
    struct http2_stream *st = find(session, frame->hd.stream_id);
    if (st != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        http2_head_add(st, (struct str){(const char *)name, name_len},
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

void http2_goaway(struct http2 *h2)
{
    h2->is_goaway_sent = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        h2->event = find(session, frame->hd.stream_id);
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
    h2->event = find(session, id);
    h2->event_data = (struct str){(const char *)data, len};
    return 0;
}

/* on_frame_send: a peer whose request is answered before it has come is told to send no more of it. */
static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct http2 *h2 = user_data;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.last_stream_id == INT32_MAX &&
        frame->goaway.error_code == NGHTTP2_NO_ERROR) {
        /* now, for its acknowledgement is to tell that the GOAWAY has arrived */
        (void)nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, drain_ping);
    }
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                        (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA);
    http2_guard_sent(h2, frame);
    const struct http2_stream *st = is_end ? find(session, frame->hd.stream_id) : NULL;
    if (st == NULL || st->is_body_done) {
        return 0;
    }
    const int rv = nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
    return nghttp2_is_fatal(rv) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
    struct http2 *h2 = user_data;
    struct http2_stream *st = find(session, id);
    const bool is_reset = h2->is_reading && h2->walk.type == NGHTTP2_RST_STREAM;
    http2_guard_closed(h2, id, is_reset || (st != NULL && st->is_body_done));
    if (st != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, id, NULL);
        (h2->is_reading ? http2_stream_closed : http2_stream_lost)(st, code);
    }
    return 0;
}

/* --- the connection's other events --------------------------------------------------------------- */

static void run_wake(struct loop_deferred *deferred)
{
    struct http2 *h2 = CONTAINER_OF(deferred, struct http2, wake);
    struct list *pos;
    struct list *tmp;
    if (h2->is_finished || !conn_is_open(h2->conn)) {
        let_go(h2);
        return;
    }
    http2_stream_tell_lost(h2);
    struct list due = {&due, &due};
    list_splice(&due, &h2->thirsty);
    LIST_FOR_EACH(pos, tmp, &due)
    {
        struct http2_stream *st = CONTAINER_OF(pos, struct http2_stream, thirsty);
        list_unlink(pos);
        list_push_back(&h2->thirsty, pos);
        if (http2_stream_has_room(st, HTTP2_LOW_BYTES)) {
            http2_stream_notify(st);
        }
    }
    settle(h2);
}

void http2_wake(struct http2 *h2)
{
    loop_defer(h2->server->loop, &h2->wake);
}

static void on_drained(struct conn *conn)
{
    struct http2 *h2 = conn->ctx;
    http2_pump(h2);
    if (conn_is_open(conn) && !conn_is_clogged(conn)) {
        conn_resume(conn);
    }
}

static void on_end(struct conn *conn, int status)
{
    (void)status;
    finish(conn->ctx);
}

static void on_timeout(struct conn *conn)
{
    struct http2 *h2 = conn->ctx;
    if (h2->wait == WAIT_HEAD) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_HEADER_TIMEOUT);
    } else if (h2->wait == WAIT_SETTINGS) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_SETTINGS_TIMEOUT);
    } else if (h2->wait == WAIT_PING) {
        http2_goaway(h2); /* it does not answer, but may have opened streams meanwhile */
        http2_pump(h2);
        settle(h2);
    } else {
        http2_end(h2, NGHTTP2_NO_ERROR, STR("")); /* nobody has used it for so long */
    }
}

static void on_close(struct conn *conn)
{
    struct http2 *h2 = conn->ctx;
    let_go(h2);
    while (!list_is_empty(&h2->streams)) {
        struct http2_stream *st = CONTAINER_OF(h2->streams.next, struct http2_stream, link);
        list_unlink(&st->link);
        st->h2 = NULL; /* its handler will end it */
    }
    loop_undefer(&h2->wake);
    http2_keepalive_stop(h2);
    list_unlink(&h2->link);
    nghttp2_session_del(h2->session);
    free(h2);
}

/* --- the beginning ------------------------------------------------------------------------------- */

static nghttp2_session_callbacks *make_callbacks(void)
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
    nghttp2_session_callbacks_set_send_data_callback(callbacks, http2_send_data);
    return callbacks;
}

static nghttp2_option *make_option(const struct http2_limits *limits)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option) != 0) {
        return NULL;
    }
    nghttp2_option_set_no_recv_client_magic(option, 1); /* HTTP/1 has seen it */
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1); /* the guard remembers them */
    nghttp2_option_set_max_continuations(option, (size_t)limits->max_continuations);
    /* the guard counts resets, with a limit that is configured and an answer that tells */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
    return option;
}

/* nghttp2's memory comes from here, so that a test can let it fail. */
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

static int make_session(struct http2 *h2)
{
    static nghttp2_mem memory = {
        .malloc = take_memory, .free = give_back, .calloc = take_zeroed, .realloc = take_more};
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *option = make_option(&h2->server->limits.http2);
    int rv = NGHTTP2_ERR_NOMEM;
    if (callbacks != NULL && option != NULL) {
        rv = nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &memory);
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    return rv == 0 ? submit_settings(h2) : rv;
}

void http2_leave(struct http2 *h2)
{
    if (conn_is_open(h2->conn) && !h2->is_leaving) {
        h2->is_leaving = true;
        (void)nghttp2_submit_shutdown_notice(h2->session);
        http2_pump(h2);
        settle(h2);
    }
}

void http2_attach(struct http_server *server, struct conn *conn)
{
    static const struct conn_events events = {
        .on_data = on_data,
        .on_end = on_end,
        .on_drained = on_drained,
        .on_timeout = on_timeout,
        .on_close = on_close,
    };
    struct http2 *h2 = calloc(1, sizeof(*h2));
    if (h2 == NULL) {
        conn_attach(conn, NULL, NULL);
        conn_close(conn);
        return;
    }
    h2->server = server;
    h2->conn = conn;
    h2->wake.run = run_wake;
    list_init(&h2->wake.link);
    list_init(&h2->streams);
    list_init(&h2->thirsty);
    list_init(&h2->lost);
    list_push_back(&server->http2_conns, &h2->link);
    conn_attach(conn, &events, h2);
    http2_keepalive_start(h2);
    if (make_session(h2) != 0) {
        conn_close(conn);
        return;
    }
    http2_pump(h2);
    settle(h2);
    if (server->is_draining) {
        http2_leave(h2);
    }
}

void http2_drain(struct http_server *server)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &server->http2_conns)
    {
        http2_leave(CONTAINER_OF(pos, struct http2, link));
    }
}
