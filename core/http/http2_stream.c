/* SPDX-License-Identifier: MIT
 *
 * http2_stream.c - the life of a stream: head, body, handler, end; and its memory.
 */
#include "core/http/http2_session.h"

#include <stdlib.h>

#include "core/http/http2.h"

#define SPARE_MAX       256
#define ARENA_MAX_BYTES (4u << 20) /* a head, its decoded copies, and what a handler builds */

/* --- memory -------------------------------------------------------------------------------------- */

static void on_timer(struct wheel_timer *timer);

static struct http2_stream *get_memory(struct http_server *server)
{
    struct http2_stream *st = server->http2_spare;
    if (st != NULL) {
        server->http2_spare = st->next;
        server->http2_spare_count--;
        return st;
    }
    st = calloc(1, sizeof(*st));
    if (st != NULL) {
        arena_init_charged(&st->req.arena, ARENA_MAX_BYTES, server->quota);
    }
    return st;
}

struct http2_stream *http2_stream_open(struct http2 *h2, int32_t id)
{
    struct http_server *server = h2->server;
    struct http2_stream *st = get_memory(server);
    if (st == NULL) {
        return NULL;
    }
    const struct arena arena = st->req.arena;
    *st = (struct http2_stream){.h2 = h2, .id = id};
    st->req.arena = arena;
    buf_init_charged(&st->body, server->limits.body_bytes, server->quota);
    wheel_timer_init(&st->timer, on_timer);
    list_init(&st->thirsty);
    list_init(&st->lost);
    http_request_init(&st->req, server, &http2_transport, loop_ready_ns(server->loop));
    list_push_back(&h2->streams, &st->link);
    h2->running_count++;
    return st;
}

static void destroy(struct http2_stream *st)
{
    arena_deinit(&st->req.arena);
    free(st);
}

static void recycle(struct http2_stream *st)
{
    struct http_server *server = st->req.server;
    struct http2 *h2 = st->h2;
    wheel_unset(&st->timer);
    list_unlink(&st->thirsty);
    list_unlink(&st->lost);
    list_unlink(&st->link);
    if (h2 != NULL) {
        h2->current = h2->current == st ? NULL : h2->current;
        h2->event = h2->event == st ? NULL : h2->event;
        if (list_is_empty(&h2->streams)) {
            http2_wake(h2);
        }
    }
    if (server->http2_spare_count == SPARE_MAX) {
        destroy(st);
        return;
    }
    arena_reset(&st->req.arena);
    st->next = server->http2_spare;
    server->http2_spare = st;
    server->http2_spare_count++;
}

void http2_stream_release(struct http_request *req)
{
    struct http2_stream *st = CONTAINER_OF(req, struct http2_stream, req);
    st->is_over = true;
    buf_deinit(&st->body);
    if (st->h2 != NULL) {
        st->h2->running_count--;
    }
    if (st->is_closed) {
        recycle(st);
    }
}

void http2_free_spare(struct http_server *server)
{
    while (server->http2_spare != NULL) {
        struct http2_stream *next = server->http2_spare->next;
        destroy(server->http2_spare);
        server->http2_spare = next;
    }
    server->http2_spare_count = 0;
}

/* --- flow control -------------------------------------------------------------------------------- */

/* credit lets the peer send more on the stream. An error is nghttp2's lack of memory, or a stream that it
 * has closed meanwhile. */
static void credit(struct http2_stream *st, size_t len)
{
    if (!st->is_closed && len > 0) {
        (void)nghttp2_session_consume_stream(st->h2->session, st->id, len);
    }
}

/* credit_connection lets the peer send more on all streams. It does so at once, so that one handler that is
 * slow holds up no other, until all of them together hold more than a connection's window. */
static void credit_connection(struct http2 *h2, size_t len)
{
    h2->owed_bytes += len;
    if (h2->held_bytes <= h2->server->limits.http2.connection_window_bytes) {
        (void)nghttp2_session_consume_connection(h2->session, h2->owed_bytes);
        h2->owed_bytes = 0;
    }
}

void http2_stream_consume(struct http2_stream *st, size_t len)
{
    REQUIRE(len <= st->held_bytes);
    st->held_bytes -= len;
    st->h2->held_bytes -= len;
    credit(st, len);
    credit_connection(st->h2, 0);
}

/* --- requests ------------------------------------------------------------------------------------ */

static void refuse(struct http2_stream *st, int status, const char *detail)
{
    st->phase = PHASE_HANDLER;
    router_refusal(st->req.server->router)(&st->req, status, detail);
}

static void run_stream(struct http2_stream *st)
{
    wheel_unset(&st->timer);
    st->phase = PHASE_HANDLER;
    st->req.body = buf_str(&st->body);
    http_request_dispatch(&st->req);
}

static bool is_body_wanted(const struct http2_stream *st)
{
    const struct route *route = st->req.route;
    return route->handler != NULL && (route->flags & ROUTE_BODY) != 0;
}

static void await_body(struct http2_stream *st)
{
    loop_set_timer(st->req.server->loop, &st->timer, st->req.server->limits.body_timeout_ms);
}

/* begin goes on with a request whose head is complete. */
static void begin(struct http2_stream *st)
{
    http2_head_finish(st);
    if (st->fault_status != 0) {
        refuse(st, st->fault_status, st->fault_detail);
    } else if (st->req.route->handler != NULL && (st->req.route->flags & ROUTE_STREAM) != 0) {
        run_stream(st);
    } else if (st->is_body_done || st->req.method == METHOD_OTHER ||
               (st->is_expecting && !is_body_wanted(st))) {
        run_stream(st); /* what comes of the body is dropped; CONNECT has none that ends */
    } else {
        st->phase = PHASE_BODY;
        await_body(st);
        if (st->is_expecting) {
            http2_send_continue(st);
        }
    }
}

/* collect takes a piece of a body that comes before its handler runs. */
static void collect(struct http2_stream *st, struct str data)
{
    credit(st, data.len);
    if (st->body_bytes > st->req.server->limits.body_bytes) {
        refuse(st, 413, NULL);
        return;
    }
    if (is_body_wanted(st)) {
        buf_append(&st->body, data.ptr, data.len);
    }
    if (st->body.is_failed) {
        refuse(st, 503, "out of memory");
    } else if (st->is_body_done) {
        run_stream(st);
    } else {
        await_body(st);
    }
}

static bool is_listening(const struct http2_stream *st)
{
    return st->req.on_body != NULL && !st->is_over && !st->req.is_detached && !st->is_answered &&
           !st->is_body_end_told;
}

/* drop lets a piece of the body go that nobody wants. */
static void drop(struct http2_stream *st, size_t len)
{
    credit(st, len);
    if (st->is_lingering) {
        const bool was_enough = st->late_bytes > HTTP2_LINGER_BYTES;
        st->late_bytes += len;
        if (!was_enough && st->late_bytes > HTTP2_LINGER_BYTES) {
            http2_send_stop(st);
        }
    }
}

/* hand_on gives a piece of the body to a handler that runs. */
static void hand_on(struct http2_stream *st, struct str data)
{
    if (!is_listening(st)) {
        drop(st, data.len);
        return;
    }
    st->held_bytes += data.len;
    st->h2->held_bytes += data.len;
    st->req.streamed_bytes += data.len;
    st->is_body_end_told = st->is_body_done;
    struct task *previous = task_enter(&st->req.task);
    st->req.on_body(&st->req, data, st->is_body_done);
    task_leave(previous);
}

void http2_stream_advance(struct http2_stream *st, struct str data)
{
    struct http2 *h2 = st->h2;
    h2->current = st;
    if (st->phase == PHASE_HEAD) {
        begin(st);
    } else {
        st->body_bytes += data.len;
    }
    const bool has_news = data.len > 0 || st->is_body_done;
    if (h2->current == st && has_news) {
        if (st->phase == PHASE_BODY && !st->is_answered) {
            collect(st, data);
        } else {
            hand_on(st, data);
        }
    }
    h2->current = NULL;
    if (data.len > 0) {
        credit_connection(h2, data.len);
    }
}

/* --- the end ------------------------------------------------------------------------------------- */

void http2_stream_let_go(struct http2_stream *st)
{
    const size_t held = st->held_bytes;
    st->is_answered = true;
    if (held > 0) {
        http2_stream_consume(st, held);
    }
}

void http2_stream_closed(struct http2_stream *st, uint32_t code)
{
    struct http_request *req = &st->req;
    const bool was_answered = st->is_answered;
    if (st->is_closed) {
        return;
    }
    st->is_closed = true;
    wheel_unset(&st->timer);
    list_unlink(&st->thirsty);
    http2_send_drop(st);
    http2_stream_let_go(st);
    if (st->is_over) {
        recycle(st);
    } else if (!was_answered && st->phase == PHASE_HANDLER) {
        req->reset_code = code;
        http_request_abandon(req);
    } else if (!was_answered) {
        req->is_detached = true; /* no handler has seen it: it ends here */
        http_respond_error(req, 400, NULL);
    }
}

void http2_stream_lost(struct http2_stream *st, uint32_t code)
{
    if (st->is_answered || st->phase != PHASE_HANDLER) {
        http2_stream_closed(st, code);
        return;
    }
    st->req.reset_code = code;
    list_push_back(&st->h2->lost, &st->lost);
    http2_wake(st->h2);
}

void http2_stream_tell_lost(struct http2 *h2)
{
    while (!list_is_empty(&h2->lost)) {
        struct http2_stream *st = CONTAINER_OF(h2->lost.next, struct http2_stream, lost);
        list_unlink(&st->lost);
        http2_stream_closed(st, st->req.reset_code);
    }
}

/* on_timer: no byte of a body has come for so long, or no end of it though it is refused, or no byte of an
 * answer has been wanted. */
static void on_timer(struct wheel_timer *timer)
{
    struct http2_stream *st = CONTAINER_OF(timer, struct http2_stream, timer);
    struct http2 *h2 = st->h2;
    st->is_watched = false;
    if (st->is_lingering) {
        http2_send_stop(st);
    } else if (st->phase == PHASE_BODY) {
        refuse(st, 408, NULL);
    } else if (conn_is_clogged(h2->conn)) {
        http2_send_watch(st); /* the connection's own timer watches */
    } else {
        h2->conn->stats->write_timeouts++;
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
        http2_pump(h2);
    }
}

bool http2_stream_has_room(const struct http2_stream *st, size_t limit)
{
    return st->out.len <= limit && !st->h2->is_ending && !conn_is_clogged(st->h2->conn);
}

void http2_stream_notify(struct http2_stream *st)
{
    struct http_request *req = &st->req;
    list_unlink(&st->thirsty);
    if (req->on_writable == NULL || st->is_answered || req->is_detached) {
        return;
    }
    struct task *previous = task_enter(&req->task);
    req->on_writable(req);
    task_leave(previous);
}
