/* SPDX-License-Identifier: MIT
 *
 * http2_stream.c - the stages of a stream: head, body, handler, end.
 */
#include "core/http2/http2_session.h"

#include "core/http/shortage.h"
#include "core/http2/http2.h"
#include "core/telemetry/log_limit.h"

static void on_timer(struct wheel_timer *timer);

/* What a stream is charged with beside its arena: its struct, and nghttp2's memory for it, as
 * measured. */
static const struct http_pool_kind kind = {
    .size = sizeof(struct http2_stream),
    .cost_bytes = sizeof(struct http2_stream) + 1536,
};

struct http2_stream *http2_stream_open(struct http2 *h2, int32_t id)
{
    struct http_server *server = h2->server;
    struct http_request *req =
        http_pool_get(&server->streams, &kind, server, &http2_transport, conn_ready_ns(h2->conn));
    if (req == NULL) {
        return NULL;
    }
    struct http2_stream *st = CONTAINER_OF(req, struct http2_stream, req);
    st->h2 = h2;
    st->id = id;
    buf_init_charged(&st->body, server->limits.body_bytes, server->quota);
    st->out.urgency = server->is_vital ? QUOTA_FORCED : QUOTA_NORMAL;
    wheel_timer_init(&st->timer, on_timer);
    list_init(&st->queue);
    list_push_back(&h2->streams, &st->link);
    h2->stream_count++;
    http_hold(&st->req); /* nghttp2 has it */
    st->req.transport_holds = 1;
    return st;
}

/* --- requests --- */

static void refuse(struct http2_stream *st, int status, const char *detail)
{
    router_refusal(st->req.server->router)(&st->req, status, detail);
}

/* is_streamed tells whether the handler takes the body as it comes. */
static bool is_streamed(const struct http2_stream *st)
{
    return (st->req.route->flags & ROUTE_STREAM) != 0;
}

static void dispatch(struct http2_stream *st)
{
    http2_life_set(st, STREAM_HANDLED);
    st->req.body = buf_str(&st->body);
    http_request_dispatch(&st->req);
}

/* run_stream runs the handler, now or when the peer has read earlier answers. */
static void run_stream(struct http2_stream *st)
{
    const struct http2 *h2 = st->h2;
    wheel_unset(&st->timer);
    if (LIKELY(http2_flow_has_share(h2))) {
        dispatch(st);
        return;
    }
    h2->conn->set->parked_count++;
    LOG_LIMITED(LOG_WARN, "memory", "peer does not read its answers: its requests wait",
                log_u64("max_bytes", h2->conn->set->output_max_bytes));
    http2_life_set(st, STREAM_WAITING);
    task_record_start(&st->req.task.record, st->req.task.id);
    if (is_streamed(st)) {
        st->body.max_bytes = st->req.server->limits.http2.stream_window_bytes;
    }
    http2_life_block(st);
}

static bool is_body_wanted(const struct http2_stream *st)
{
    return (st->req.route->flags & ROUTE_BODY) != 0;
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
    } else if (shortage_refuses(&st->req)) {
        refuse(st, 503, "out of memory");
    } else if ((st->req.route->flags & ROUTE_STREAM) != 0) {
        run_stream(st);
    } else if (st->is_body_done || st->req.method == METHOD_OTHER ||
               (st->is_expecting && !is_body_wanted(st))) {
        run_stream(st); /* bytes of the body are dropped; CONNECT has none that ends */
    } else {
        http2_life_set(st, STREAM_BODY);
        task_record_start(&st->req.task.record, st->req.task.id);
        await_body(st);
        if (st->is_expecting) {
            http2_send_continue(st);
        }
    }
}

/* collect takes a piece of a body that must be complete before its handler runs. */
static void collect(struct http2_stream *st, struct str data)
{
    const bool is_held = !conn_may_hold(st->h2->conn, st->body_bytes) && !st->is_body_done;
    st->held_credit += data.len;
    if (!is_held) {
        http2_flow_ease(st);
    }
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

/* store keeps pieces of a streamed body whose handler may not run yet: no more than the stream's
 * window. */
static void store(struct http2_stream *st, struct str data)
{
    st->held_credit += data.len;
    buf_append(&st->body, data.ptr, data.len);
    if (st->body.is_failed) {
        refuse(st, 503, "out of memory");
    }
}

static bool is_listening(const struct http2_stream *st)
{
    return st->life == STREAM_HANDLED && st->req.on_body != NULL && http_is_unanswered(&st->req) &&
           !st->is_body_end_told;
}

/* drop drops a piece of a body that no handler takes. */
static void drop(struct http2_stream *st, size_t len)
{
    http2_flow_credit(st, len);
    if (st->life == STREAM_LINGERING) {
        const bool was_enough = st->late_bytes > HTTP2_LINGER_BYTES;
        st->late_bytes += len;
        if (!was_enough && st->late_bytes > HTTP2_LINGER_BYTES) {
            http2_send_stop(st);
        }
    }
}

/* hand_on gives a piece of the body to its handler, or drops it. */
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
    if (st->is_body_done) {
        http_peer_has(&st->req, HTTP_PEER_SENDS);
    }
    st->req.on_body(&st->req, data, st->is_body_done);
    task_leave(previous);
}

void http2_stream_advance(struct http2_stream *st, struct str data)
{
    struct http2 *h2 = st->h2;
    if (st->life == STREAM_HEAD) {
        begin(st);
    } else {
        st->body_bytes += data.len;
        h2->moved_bytes += data.len;
    }
    const bool has_news = data.len > 0 || st->is_body_done;
    if (has_news && st->life == STREAM_BODY) {
        collect(st, data);
    } else if (has_news && st->life == STREAM_WAITING && is_streamed(st)) {
        store(st, data);
    } else if (has_news && !http2_stream_is_closed(st)) {
        hand_on(st, data);
    }
    if (data.len > 0) {
        http2_flow_credit_connection(h2, data.len);
    }
}

/* --- the end --- */

/* close_stream releases a stream that nghttp2 has closed, and abandons a request that is not
 * answered; the stream may be gone afterwards. */
static void close_stream(struct http2_stream *st)
{
    struct http2 *h2 = st->h2;
    const bool is_answered = st->life == STREAM_ANSWERED || st->life == STREAM_LINGERING;
    http2_life_set(st, STREAM_CLOSED);
    h2->head = h2->head == st ? NULL : h2->head;
    wheel_unset(&st->timer);
    http2_send_drop(st);
    http2_life_release(st);
    list_unlink(&st->link);
    if (list_is_empty(&h2->streams)) {
        http2_wake(h2);
    }
    if (!is_answered) {
        http_request_abandon(&st->req);
    }
    st->req.transport_holds = 0;
    http_release(&st->req); /* nghttp2's hold */
}

void http2_stream_closed(struct http2_stream *st, uint32_t code)
{
    if (st->life != STREAM_HANDLED) {
        close_stream(st); /* no handler is to be cancelled */
        return;
    }
    st->req.reset_code = code;
    http2_life_set(st, STREAM_LOST);
    list_unlink(&st->queue);
    list_push_back(&st->h2->lost, &st->queue);
    http2_wake(st->h2);
}

void http2_stream_tell_lost(struct http2 *h2)
{
    while (!list_is_empty(&h2->lost)) {
        close_stream(CONTAINER_OF(h2->lost.next, struct http2_stream, queue));
    }
}

void http2_stream_close_all(struct http2 *h2)
{
    while (!list_is_empty(&h2->streams)) {
        struct http2_stream *st = CONTAINER_OF(h2->streams.next, struct http2_stream, link);
        if (st->life != STREAM_LOST) {
            st->req.reset_code = NGHTTP2_CANCEL;
        }
        (void)nghttp2_session_set_stream_user_data(h2->session, st->id, NULL);
        close_stream(st);
    }
}

/* on_timer: no byte of a body has come, a refused body has not ended, or the peer has taken no byte
 * of an answer. */
static void on_timer(struct wheel_timer *timer)
{
    struct http2_stream *st = CONTAINER_OF(timer, struct http2_stream, timer);
    struct http2 *h2 = st->h2;
    st->is_watched = false;
    if (st->life == STREAM_LINGERING) {
        http2_send_stop(st);
    } else if (st->life == STREAM_BODY) {
        refuse(st, 408, NULL);
    } else if (conn_is_clogged(h2->conn)) {
        http2_send_watch(st); /* the connection's write timer watches */
    } else {
        h2->conn->stats->write_timeouts++;
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
        http2_pump(h2);
    }
}

/* resume_waiting runs the handler of a request that has waited for its peer to read. */
static void resume_waiting(struct http2_stream *st)
{
    struct buf stored = {.data = NULL};
    if (is_streamed(st)) {
        stored = st->body;
        buf_init_charged(&st->body, stored.max_bytes, stored.quota);
        st->held_credit = 0; /* http_body_consume gives it instead */
    }
    http_hold(&st->req);
    dispatch(st);
    if (st->life == STREAM_HANDLED && (stored.len > 0 || st->is_body_done)) {
        hand_on(st, buf_str(&stored));
    }
    http_release(&st->req);
    buf_deinit(&stored);
}

void http2_stream_notify(struct http2_stream *st)
{
    struct http_request *req = &st->req;
    list_unlink(&st->queue);
    if (st->life == STREAM_WAITING) {
        resume_waiting(st);
        return;
    }
    if (req->on_writable == NULL || req->life != HTTP_STREAMING) {
        return;
    }
    struct task *previous = task_enter(&req->task);
    http_peer_has(req, HTTP_PEER_READS);
    req->on_writable(req);
    task_leave(previous);
}
