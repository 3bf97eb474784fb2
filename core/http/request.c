/* SPDX-License-Identifier: MIT
 *
 * request.c - the life of a request between its protocol and its handler.
 *
 * The handler that has a request ends it. When the peer leaves or the deadline passes first, the
 * request is cancelled: the handler's later answer is dropped, and only ends the request; when
 * nobody holds it, so that nobody is left to end it, it is ended here. The memory goes back when
 * the request has ended and nobody holds it.
 */
#include "core/http/request.h"

#include "core/base/clock.h"
#include "core/http/http_times.h"
#include "core/http/http_trace.h"
#include "core/http/misuse.h"
#include "core/http/server.h"
#include "core/http/shortage.h"

/* --- life --- */

#define LIFE(life) (1u << HTTP_##life)

static void set_life(struct http_request *req, enum http_life life)
{
    static const uint8_t may_follow[] = {
        [HTTP_SPARE] = LIFE(ARRIVING),
        [HTTP_ARRIVING] = LIFE(OPEN) | LIFE(ENDED),
        [HTTP_OPEN] = LIFE(STREAMING) | LIFE(CANCELLED) | LIFE(ENDED),
        [HTTP_STREAMING] = LIFE(CANCELLED) | LIFE(ENDED),
        [HTTP_CANCELLED] = LIFE(ENDED_LATE),
        [HTTP_ENDED] = LIFE(SPARE),
        [HTTP_ENDED_LATE] = LIFE(SPARE),
    };
    INVARIANT((may_follow[req->life] & (1u << life)) != 0);
    req->life = life;
}

bool http_is_unanswered(const struct http_request *req)
{
    return req->life == HTTP_OPEN || req->life == HTTP_STREAMING;
}

/* may_call tells whether a call of a handler takes effect: the request's life is among `lives`. For
 * a cancelled request the call is dropped; otherwise it is misuse. */
static bool may_call(struct http_request *req, unsigned lives, const char *call)
{
    loop_require_thread(req->server->loop, call);
    if (LIKELY((lives & (1u << req->life)) != 0)) {
        return true;
    }
    if (req->life != HTTP_CANCELLED) {
        misuse_found(req, call);
    }
    return false;
}

/* --- the end of a request --- */

/* notify_observers: the answer is complete. */
static void notify_observers(struct http_request *req)
{
    struct http_end end = {.now_ns = clock_now_ns()};
    for (const struct http_observer *o = req->server->observers; o->on_end != NULL; o++) {
        o->on_end(o->ctx, req, &end);
    }
}

/* finish ends the request; its memory may be gone afterwards. */
static void finish(struct http_request *req)
{
    set_life(req, req->life == HTTP_CANCELLED ? HTTP_ENDED_LATE : HTTP_ENDED);
    wheel_unset(&req->deadline);
    METRIC_ADD(req->server->metrics->active, -1);
    task_end(&req->task);
}

/* finish_cancelled ends the request if it was cancelled. */
static void finish_cancelled(struct http_request *req)
{
    if (req->life == HTTP_CANCELLED) {
        finish(req);
    }
}

static void on_free(struct task *task)
{
    struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    set_life(req, HTTP_SPARE);
    req->transport->recycle(req);
}

/* end_cancelled ends a request that was cancelled and that nobody else will end. */
static void end_cancelled(struct http_request *req)
{
    if (req->end_unheld != NULL) {
        req->end_unheld(req);
    }
    finish_cancelled(req);
}

/* on_unheld: it was cancelled, and nobody holds it any more. */
static void on_unheld(struct task *task)
{
    struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    if (req->life != HTTP_CANCELLED) {
        on_free(task); /* its handler has ended it */
        return;
    }
    task_hold(task);
    end_cancelled(req);
    task_release(task);
}

static void set_cancelled(struct http_request *req)
{
    set_life(req, HTTP_CANCELLED);
    task_set_cancelled(&req->task, on_unheld);
}

/* run_on_cancel runs the handler's on_cancel, and cancels what the request waits for. The caller
 * holds the request; if beside that hold there are only the protocol's, nobody is left to end the
 * request. */
static void run_on_cancel(struct http_request *req, int status)
{
    const http_cancel_fn on_cancel = req->on_cancel;
    req->on_cancel = NULL;
    wheel_unset(&req->deadline);
    task_park(&req->task, "cancelled");
    struct task *previous = task_enter(&req->task);
    http_end_waits(req);
    if (on_cancel != NULL) {
        on_cancel(req, status);
    }
    task_cancel_waits(&req->task);
    task_leave(previous);
    if (req->task.holds == 1u + req->transport_holds) {
        end_cancelled(req);
    }
}

/* cancel_politely lets a ROUTE_STREAM handler end its answer itself.
 *
 * Returns: whether the handler did. */
static bool cancel_politely(struct http_request *req, int status)
{
    const http_cancel_fn on_cancel = req->on_cancel;
    if ((req->route->flags & ROUTE_STREAM) == 0 || on_cancel == NULL) {
        return false;
    }
    req->on_cancel = NULL;
    struct task *previous = task_enter(&req->task);
    on_cancel(req, status);
    task_leave(previous);
    return !http_is_unanswered(req);
}

/* cancel answers in the handler's place: the peer is still there. */
static void cancel(struct http_request *req, int status)
{
    struct http_response response = {
        .status = 503,
        .content_type = "text/plain; charset=utf-8",
        .body = status == UV_ETIMEDOUT ? STR("503 Service Unavailable: deadline passed\n")
                : status == UV_ENOMEM  ? STR("503 Service Unavailable: out of memory\n")
                                       : STR("503 Service Unavailable: shutting down\n"),
        .headers = &http_retry_after_1_s,
        .header_count = 1,
    };
    const bool has_handler = req->life != HTTP_ARRIVING; /* else its body was still coming */
    if (has_handler && cancel_politely(req, status)) {
        return;
    }
    if (req->word_cancel != NULL) {
        req->word_cancel(req, status, &response);
    }
    if (req->life != HTTP_STREAMING) {
        req->status = response.status;
    }
    req->transport->cancel(req, &response);
    notify_observers(req);
    if (!has_handler) {
        finish(req);
        return;
    }
    set_cancelled(req);
    run_on_cancel(req, status);
}

/* on_task_cancel: the deadline passed, a drain ran out of time, or an ask found no memory. */
static void on_task_cancel(struct task *task, int status)
{
    task_hold(task);
    cancel(CONTAINER_OF(task, struct http_request, task), status);
    task_release(task);
}

void http_request_abandon(struct http_request *req)
{
    if (req->life == HTTP_ARRIVING) {
        finish(req);
        return;
    }
    if (!http_is_unanswered(req)) {
        return;
    }
    if (req->life == HTTP_OPEN) {
        req->status = 499; /* as nginx counts it: the client closed the request */
    }
    req->task.on_cancel = NULL;
    notify_observers(req);
    task_hold(&req->task);
    set_cancelled(req);
    run_on_cancel(req, UV_ECANCELED);
    task_release(&req->task);
}

static void on_deadline(struct wheel_timer *timer)
{
    struct http_request *req = CONTAINER_OF(timer, struct http_request, deadline);
    task_cancel(&req->task, UV_ETIMEDOUT);
}

/* --- the beginning --- */

_Static_assert(CONN_PEER_BYTES <= LOG_PEER_BYTES, "a line has room for a peer");

static void format_peer(const void *task, char *out)
{
    const struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    out[0] = '\0';
    if ((LIFE(ARRIVING) | LIFE(OPEN) | LIFE(STREAMING)) & (1u << req->life)) {
        req->transport->format_peer(req, out); /* else its connection may be gone */
    }
}

static const struct trace_context *get_trace(struct task *task)
{
    return http_trace(CONTAINER_OF(task, struct http_request, task));
}

int http_request_init(struct http_request *req, struct http_server *server,
                      const struct http_transport *transport, uint64_t now_ns)
{
    const struct arena arena = req->arena;
    INVARIANT(req->life == HTTP_SPARE);
    *req = (struct http_request){
        .server = server,
        .transport = transport,
        .route = router_unmatched(server->router, METHOD_OTHER),
        .arena = arena,
        .target = STR(""),
        .deadline = {.on_fire = on_deadline},
    };
    if (task_start(&req->task, "http", now_ns, on_task_cancel) < 0) {
        return UV_ENOMEM;
    }
    req->task.get_trace = get_trace;
    req->task.format_peer = format_peer;
    req->task.on_free = on_free;
    set_life(req, HTTP_ARRIVING);
    METRIC_ADD(server->metrics->active, 1);
    return 0;
}

int http_request_route(struct http_request *req)
{
    struct router *router = req->server->router;
    if (req->method == METHOD_OPTIONS && req->path.ptr[0] == '*') {
        req->route = router_unmatched(router, req->method);
        req->allow = router_all_methods(router);
        return 0;
    }
    struct router_match match = {0};
    int rc = router_match(router, req->method, req->path, &req->arena, &match);
    if (rc == 0 && req->query.len > 0) {
        rc = http_request_decode_query(req);
    }
    if (rc == 0) {
        req->route = match.route;
        req->allow = match.allow;
        memcpy(req->params, match.params, sizeof(req->params));
    }
    return rc;
}

/* show_peer shows other threads whose request is in flight, and which trace it belongs to: without
 * a caller, its task's id tells that. */
static void show_peer(struct http_request *req)
{
    const struct conn *conn =
        req->transport->get_conn == NULL ? NULL : req->transport->get_conn(req);
    if (conn == NULL || !req->is_root) {
        (void)http_trace(req);
    }
    if (conn != NULL) {
        struct task_peer peer = {.port = conn->peer.port, .has_span = req->is_root};
        memcpy(peer.addr, &conn->peer.ip, sizeof(peer.addr));
        task_slots_publish_peer(req->task.slot, &peer);
    }
}

static void run_handler(struct http_request *req)
{
    const struct route *route = req->route;
    const struct http_server *server = req->server;
    if (server->guard != NULL && !server->guard(req)) {
        return;
    }
    route->handler(req, route->arg);
    if (http_is_unanswered(req)) {
        show_peer(req);
        if ((route->flags & ROUTE_NO_DEADLINE) == 0) {
            loop_set_timer(server->loop, &req->deadline, server->limits.request_timeout_ms);
        }
    }
}

void http_request_dispatch(struct http_request *req)
{
    const struct route *route = req->route;
    set_life(req, HTTP_OPEN);
    req->is_long = (route->flags & ROUTE_LONG) != 0;
    if (req->server->on_begin != NULL) {
        req->server->on_begin(req);
    }
    struct task *previous =
        task_begin(&req->task, "http", route->label, (const void *)(uintptr_t)route->handler);
    run_handler(req);
    task_leave(previous);
}

/* --- answers --- */

/* checked returns the response, or a 500 in place of one with an invalid status. An interim status
 * is invalid, too: the peer would take the next answer for the final one of this request. */
static const struct http_response *checked(struct http_request *req, const char *call,
                                           const struct http_response *response)
{
    static const struct http_response internal = {.status = 500,
                                                  .content_type = "text/plain; charset=utf-8",
                                                  .body = STR("500 Internal Server Error\n")};
    if (LIKELY(response->status >= 200 && response->status <= 599)) {
        return response;
    }
    misuse_report(req, call, "the status is not 200 to 599: 500 is sent");
    return &internal;
}

void http_respond(struct http_request *req, const struct http_response *response)
{
    struct http_traced traced;
    if (may_call(req, LIFE(ARRIVING) | LIFE(OPEN), "http_respond")) {
        struct http_response timed;
        response = http_trace_add(req, checked(req, "http_respond", response), &traced);
        if (UNLIKELY(req->server->has_server_timing)) {
            response = http_times_add(req, response, &timed);
        }
        if (shortage_replaces(req, response)) {
            return;
        }
        req->status = response->status;
        req->transport->respond(req, response);
        notify_observers(req);
        finish(req);
    } else {
        finish_cancelled(req);
    }
}

void http_stream_start(struct http_request *req, const struct http_response *response,
                       http_writable_fn on_writable)
{
    struct http_traced traced;
    if (may_call(req, LIFE(OPEN), "http_stream_start")) {
        struct http_response timed;
        response = http_trace_add(req, checked(req, "http_stream_start", response), &traced);
        if (UNLIKELY(req->server->has_server_timing)) {
            response = http_times_add(req, response, &timed);
        }
        set_life(req, HTTP_STREAMING);
        req->on_writable = on_writable;
        req->status = response->status;
        req->transport->stream_start(req, response);
    }
}

bool http_stream_write(struct http_request *req, struct str data)
{
    if (!may_call(req, LIFE(STREAMING), "http_stream_write") || data.len == 0 ||
        req->transport->stream_write(req, data)) {
        return true;
    }
    if (req->on_writable != NULL) {
        http_await_peer(req, HTTP_PEER_READS);
    }
    return false;
}

void http_stream_end(struct http_request *req)
{
    if (may_call(req, LIFE(STREAMING), "http_stream_end")) {
        req->transport->stream_end(req);
        notify_observers(req);
        finish(req);
    } else {
        finish_cancelled(req);
    }
}

void http_stream_end_with(struct http_request *req, const struct http_header *trailers,
                          size_t count)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    if (may_call(req, LIFE(STREAMING), "http_stream_end_with")) {
        req->transport->stream_end_with(req, trailers, count);
        notify_observers(req);
        finish(req);
    } else {
        finish_cancelled(req);
    }
}

void http_stream_leave(struct http_request *req, const struct http_header *trailers, size_t count)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    if (!may_call(req, LIFE(STREAMING), "http_stream_leave")) {
        return;
    }
    req->transport->stream_end_with(req, trailers, count);
    notify_observers(req);
    set_cancelled(req);
    http_end_waits(req);
    req->on_cancel = NULL;
    req->task.on_cancel = NULL;
    wheel_unset(&req->deadline);
}

void http_reset(struct http_request *req, enum http_reset code)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    if (!may_call(req, LIFE(OPEN) | LIFE(STREAMING), "http_reset")) {
        finish_cancelled(req);
        return;
    }
    if (req->life == HTTP_OPEN) {
        req->status = 500; /* for the observers alone: no status is sent */
    }
    req->transport->reset(req, code);
    notify_observers(req);
    finish(req);
}

void http_on_body(struct http_request *req, http_body_fn on_body)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    if (may_call(req, LIFE(OPEN) | LIFE(STREAMING), "http_on_body")) {
        req->on_body = on_body;
        (on_body == NULL ? http_peer_has : http_await_peer)(req, HTTP_PEER_SENDS);
    }
}

void http_body_consume(struct http_request *req, size_t len)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    if (may_call(req, LIFE(OPEN) | LIFE(STREAMING), "http_body_consume") && len > 0) {
        req->transport->consume(req, len);
    }
}

void http_on_cancel(struct http_request *req, http_cancel_fn on_cancel)
{
    if (may_call(req, LIFE(OPEN) | LIFE(STREAMING), "http_on_cancel")) {
        req->on_cancel = on_cancel;
    }
}

void http_on_drain(struct http_request *req, http_drain_fn on_drain)
{
    if (!may_call(req, LIFE(OPEN) | LIFE(STREAMING), "http_on_drain")) {
        return;
    }
    req->on_drain = on_drain;
    if (req->server->is_draining && on_drain != NULL) {
        loop_defer(req->server->loop, &req->server->drain);
    }
}

/* run_on_drain: all tasks are requests. */
static void run_on_drain(struct task *task, void *arg)
{
    struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    const http_drain_fn on_drain = req->on_drain;
    if (req->server != arg || on_drain == NULL || !http_is_unanswered(req)) {
        return;
    }
    req->on_drain = NULL;
    struct task *previous = task_enter(&req->task);
    on_drain(req);
    task_leave(previous);
}

void http_tell_drain(struct http_server *server)
{
    task_for_each(run_on_drain, server);
}

void http_be_long(struct http_request *req)
{
    req->is_long = true;
}

bool http_is_cancelled(const struct http_request *req)
{
    return req->life == HTTP_CANCELLED || req->life == HTTP_ENDED_LATE;
}
