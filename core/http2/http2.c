/* SPDX-License-Identifier: MIT
 *
 * http2.c - HTTP/2 on one connection: bytes in, frames to nghttp2; its timers and other events.
 *
 * Flow:    on_data -> feed, frame by frame: guard -> nghttp2, whose callbacks take notes -> the
 *          stream goes on: head -> [body] -> http_request_dispatch -> handler -> respond ->
 *          http2_pump -> conn_write
 * Failure: an error of a stream resets it; an error of the connection: GOAWAY, conn_finish, and the
 *          requests that run are abandoned, each once.
 * Thread:  the loop.
 */
#include "core/http2/http2.h"

#include "core/http2/http2_session.h"

/* Queued frames that are sent before more are read: nghttp2 treats 1000 queued acknowledgements as
 * a flood. */
#define QUEUE_FRAMES 100
/* Blocked writers that are resumed in one call: each may fill its stream's queue. */
#define NOTIFY_STREAMS 8

/* --- timers --- */

static void set_wait(struct http2 *h2, enum http2_wait wait, uint64_t timeout_ms)
{
    h2->wait = wait;
    conn_set_timeout(h2->conn, timeout_ms);
}

/* settle sets the timer for what the connection waits for now. Streams have timers of their own. */
static void settle(struct http2 *h2)
{
    const struct http_limits *limits = &h2->server->limits;
    if (!conn_is_open(h2->conn)) {
        return;
    }
    if (conn_has_ended(h2->conn)) {
        set_wait(h2, WAIT_NOTHING, 0); /* nothing more comes */
    } else if (!h2->has_settings) {
        if (h2->wait != WAIT_SETTINGS) {
            set_wait(h2, WAIT_SETTINGS, limits->header_timeout_ms);
        }
    } else if (http2_guard_is_in_head(h2)) {
        if (h2->wait != WAIT_HEAD || h2->is_head_new) {
            set_wait(h2, WAIT_HEAD, limits->header_timeout_ms);
        }
    } else if (http2_is_leaving(h2) && !h2->is_goaway_sent) {
        if (h2->wait != WAIT_PING) {
            set_wait(h2, WAIT_PING, http_server_drain_idle_ms(h2->server));
        }
    } else if (!list_is_empty(&h2->streams)) {
        set_wait(h2, WAIT_NOTHING, 0);
    } else if (h2->wait != WAIT_STREAM) {
        /* once: PINGs do not keep an unused connection open */
        set_wait(h2, WAIT_STREAM, limits->http2.idle_timeout_ms);
    }
    h2->is_head_new = false;
}

/* --- input --- */

static void give_up(struct http2 *h2, int rv)
{
    if (rv == NGHTTP2_ERR_FLOODED) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_CONTROL_FRAMES);
    } else if (h2->is_head_too_big) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_HEADER_LIST);
    } else if (rv == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_CONTINUATIONS);
    } else {
        conn_close(h2->conn); /* no memory */
        http2_finish(h2);
    }
}

/* advance acts on the notes about the last frame. */
static void advance(struct http2 *h2)
{
    struct http2_stream *st = h2->event;
    const struct str data = h2->event_data;
    h2->event_data = STR("");
    if (st != NULL && !http2_stream_is_closed(st)) {
        http2_stream_advance(st, data);
    }
    http2_note(h2, NULL);
    http2_stream_tell_lost(h2);
    if (h2->is_padding) {
        h2->is_padding = false;
        http2_guard_padding(h2);
    }
    if (h2->keepalive.is_asked) {
        h2->keepalive.is_asked = false;
        http2_keepalive_asked(h2);
    }
}

static void feed(struct http2 *h2, const char *data, size_t len)
{
    while (len > 0 && !h2->is_ending) {
        const size_t count = http2_guard_frame(h2, data, len);
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
        http2_guard_settle(h2);
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
    http2_guard_settle(h2);
    if (conn_is_open(conn) && conn_is_clogged(conn)) {
        conn_pause(conn); /* a peer that does not read is not read either: frames cause answers */
    }
    settle(h2);
}

/* --- the connection's other events --- */

/* notify_blocked resumes blocked streams for which there is room again; a handler may block again,
 * or block another. Those beyond NOTIFY_STREAMS wait for the next call, before those that block
 * meanwhile. */
static void notify_blocked(struct http2 *h2)
{
    struct list due = {&due, &due};
    unsigned notified = 0;
    list_splice(&due, &h2->blocked);
    while (!list_is_empty(&due) && notified < NOTIFY_STREAMS) {
        struct http2_stream *st = CONTAINER_OF(due.next, struct http2_stream, queue);
        http2_life_block(st);
        if (http2_flow_has_room(st, HTTP2_LOW_BYTES)) {
            http2_stream_notify(st);
            notified++;
        }
    }
    if (!list_is_empty(&due)) {
        list_splice(&due, &h2->blocked);
        list_splice(&h2->blocked, &due);
        if (http2_has_blocked(h2)) {
            http2_wake(h2);
        }
    }
}

static void run_wake(struct loop_deferred *deferred)
{
    struct http2 *h2 = CONTAINER_OF(deferred, struct http2, wake);
    if (h2->is_finished || !conn_is_open(h2->conn)) {
        http2_stream_close_all(h2);
        return;
    }
    http2_guard_settle(h2);
    http2_stream_tell_lost(h2);
    notify_blocked(h2);
    settle(h2);
}

static void on_drained(struct conn *conn)
{
    struct http2 *h2 = conn->ctx;
    http2_pump(h2);
    if (conn_is_open(conn) && !conn_is_clogged(conn)) {
        conn_resume(conn);
    }
}

/* hurry limits a gRPC call whose peer may be gone: its own deadline may be hours away. Other
 * requests have request_timeout_ms. */
static void hurry(struct http2_stream *st)
{
    struct loop *loop = st->req.server->loop;
    struct wheel_timer *deadline = &st->req.deadline;
    const uint64_t timeout_ms = st->req.server->limits.request_timeout_ms;
    const bool is_set = !list_is_empty(&deadline->link);
    if (!is_set || deadline->deadline_ms > loop_now_ms(loop) + timeout_ms) {
        loop_set_timer(loop, deadline, timeout_ms);
    }
}

/* reset_long resets the streams whose end a peer that has sent FIN cannot be waiting for.
 *
 * is_all:  also incomplete requests, since no more of them comes.
 * Returns: how many streams go on. */
static size_t reset_long(struct http2 *h2, bool is_all)
{
    struct list *pos;
    struct list *tmp;
    size_t left_count = 0;
    LIST_FOR_EACH(pos, tmp, &h2->streams)
    {
        struct http2_stream *st = CONTAINER_OF(pos, struct http2_stream, link);
        if (http2_stream_is_closed(st)) {
            continue;
        }
        if (is_all && st->life < STREAM_ANSWERED && (st->req.route->flags & ROUTE_RPC) != 0) {
            hurry(st);
        }
        if (st->life < STREAM_ANSWERED && (st->req.is_long || (is_all && !st->is_body_done))) {
            /* only queues; an error is lack of memory, which http2_pump meets as well */
            (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
        } else {
            left_count++;
        }
    }
    return left_count;
}

/* on_end: a FIN behind whole requests means that no more of them come; the peer still waits for
 * their answers. After the GOAWAY the connection ends with the last one. */
static void on_end(struct conn *conn, int status)
{
    struct http2 *h2 = conn->ctx;
    if (status != UV_EOF || reset_long(h2, true) == 0) {
        http2_finish(h2);
        return;
    }
    http2_keepalive_stop(h2);
    if (!h2->is_goaway_sent) {
        http2_goaway(h2);
    }
    http2_pump(h2);
    settle(h2);
}

static void on_fin(struct conn *conn)
{
    (void)reset_long(conn->ctx, false);
    http2_pump(conn->ctx);
}

static void on_timeout(struct conn *conn)
{
    struct http2 *h2 = conn->ctx;
    if (h2->wait == WAIT_HEAD) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_HEADER_TIMEOUT);
    } else if (h2->wait == WAIT_SETTINGS) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_SETTINGS_TIMEOUT);
    } else if (h2->wait == WAIT_PING) {
        http2_goaway(h2); /* the peer does not answer, but may have opened streams meanwhile */
        http2_pump(h2);
        settle(h2);
    } else {
        http2_end(h2, NGHTTP2_NO_ERROR, STR("")); /* idle for idle_timeout_ms */
    }
}

/* on_eased goes on with bodies that waited for memory. */
static void on_eased(struct conn *conn)
{
    struct http2 *h2 = conn->ctx;
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &h2->streams)
    {
        http2_flow_ease(CONTAINER_OF(pos, struct http2_stream, link));
    }
    http2_pump(h2);
}

static struct conn_weight weigh(const struct conn *conn)
{
    const struct http2 *h2 = conn->ctx;
    struct conn_weight weight = {h2->queued_bytes + h2->held_bytes, h2->moved_bytes};
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &h2->streams)
    {
        const struct http2_stream *st = CONTAINER_OF(pos, struct http2_stream, link);
        weight.held_bytes += sizeof(*st) + st->body.cap + st->req.arena.used_bytes;
    }
    return weight;
}

/* on_close: requests that their handlers have not ended keep the memory of their streams and h2. */
static void on_close(struct conn *conn)
{
    struct http2 *h2 = conn->ctx;
    http2_stream_close_all(h2);
    http2_note(h2, NULL);
    loop_undefer(&h2->wake);
    http2_keepalive_stop(h2);
    list_unlink(&h2->link);
    nghttp2_session_del(h2->session);
    h2->conn = NULL;
    if (h2->stream_count == 0) {
        http2_free(h2);
    }
}

/* --- the beginning --- */

/* turn_away refuses a connection for lack of memory: SETTINGS, and GOAWAY with ENHANCE_YOUR_CALM,
 * which says that none of its streams was processed. */
static void turn_away(struct conn *conn)
{
    static const char frames[] = "\0\0\0\4\0\0\0\0\0"
                                 "\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\13";
    conn_attach(conn, NULL, NULL);
    if (conn_write(conn, frames, sizeof(frames) - 1) < 0) {
        conn_close(conn);
    } else {
        conn_finish(conn);
    }
}

static const struct http2_session_events session_events = {
    .open = http2_stream_open,
    .closed = http2_stream_closed,
    .sent_end = http2_send_done,
    .send_data = http2_send_data,
};

void http2_attach(struct http_server *server, struct conn *conn)
{
    static const struct conn_events events = {
        .on_data = on_data,
        .on_end = on_end,
        .on_fin = on_fin,
        .on_drained = on_drained,
        .on_timeout = on_timeout,
        .on_close = on_close,
        .weigh = weigh,
        .on_eased = on_eased,
    };
    struct http2 *h2 = http2_make(server);
    if (h2 == NULL) {
        turn_away(conn);
        return;
    }
    h2->server = server;
    h2->conn = conn;
    h2->event_data = STR("");
    h2->wake.run = run_wake;
    list_init(&h2->wake.link);
    list_init(&h2->streams);
    list_init(&h2->blocked);
    list_init(&h2->lost);
    list_push_back(&server->http2_conns, &h2->link);
    conn_attach(conn, &events, h2);
    http2_keepalive_start(h2);
    if (http2_session_make(h2, &session_events) != 0) {
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
