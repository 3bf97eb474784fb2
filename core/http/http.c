/* SPDX-License-Identifier: MIT
 *
 * http.c - the life of a request between its protocol and its handler.
 *
 * A request is ended by its handler and by nobody else. When the peer leaves or the deadline passes
 * first, the transport is taken away: the handler's later answer finds none, and only frees the
 * request.
 */
#include "core/http/http.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/http/server.h"

/* --- the end of a request ------------------------------------------------------------------------
 */

/* log_access writes the line as the request's own, wherever it ends: so it has its trace. */
static void log_access(struct http_request *req, uint64_t now_ns)
{
    char peer[CONN_PEER_BYTES];
    req->transport->format_peer(req, peer);
    const struct log_field fields[] = {
        log_cstr("server", req->server->listener.name),
        log_cstr("method", http_method_name(req->method)),
        log_str("target", req->target),
        log_cstr("route", req->route->path),
        log_i64("status", req->status),
        log_u64("body_bytes", req->sent_body_bytes),
        log_u64("duration_us", (now_ns - req->task.start_ns) / NS_PER_US),
        log_cstr("peer", peer),
        log_cstr("rpc_status", req->rpc_status), /* last: others than gRPC calls have none */
    };
    struct task *previous = task_enter(&req->task);
    log_event(req->server->access_level, "access", "request", fields,
              ARRAY_COUNT(fields) - (req->rpc_status == NULL ? 1 : 0));
    task_leave(previous);
}

static void account(struct http_request *req)
{
    struct http_server *server = req->server;
    const uint64_t now_ns = clock_now_ns();
    http_metrics_count(server->metrics, req, now_ns);
    if (server->access_every > 0 && ++server->access_count >= server->access_every) {
        server->access_count = 0;
        if (log_is_on(server->access_level)) {
            log_access(req, now_ns);
        }
    }
}

static void finish(struct http_request *req)
{
    wheel_unset(&req->deadline);
    task_end(&req->task);
    *req->server->metrics->active -= 1;
    req->transport->release(req);
}

static void run_on_cancel(struct http_request *req, int status)
{
    const http_cancel_fn on_cancel = req->on_cancel;
    req->on_cancel = NULL;
    wheel_unset(&req->deadline);
    task_park(&req->task, "cancelled");
    if (on_cancel != NULL) {
        struct task *previous = task_enter(&req->task);
        on_cancel(req, status);
        task_leave(previous);
    }
}

/* cancel_politely lets a ROUTE_STREAM handler end its answer itself.
 *
 * Returns: whether it did; the request may be gone then. */
static bool cancel_politely(struct http_request *req, int status)
{
    const http_cancel_fn on_cancel = req->on_cancel;
    const uint64_t id = req->task.id;
    if (!req->is_dispatched || (req->route->flags & ROUTE_STREAM) == 0 || on_cancel == NULL) {
        return false;
    }
    req->on_cancel = NULL;
    struct task *previous = task_enter(&req->task);
    on_cancel(req, status);
    const struct task *current = task_current();
    const bool has_ended = current == NULL || current->id != id;
    task_leave(previous);
    return has_ended || req->is_detached;
}

/* on_task_cancel: the deadline passed, or a drain ran out of time. The peer is there and hears
 * about it. */
static void on_task_cancel(struct task *task, int status)
{
    static const struct http_header retry_after = {STR("Retry-After"), STR("1")};
    struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    const struct http_response response = {
        .status = 503,
        .content_type = "text/plain; charset=utf-8",
        .body = status == UV_ETIMEDOUT ? STR("503 Service Unavailable: deadline passed\n")
                                       : STR("503 Service Unavailable: shutting down\n"),
        .headers = &retry_after,
        .header_count = 1,
    };
    if (cancel_politely(req, status)) {
        return;
    }
    if (!req->is_streaming) {
        req->status = response.status;
    }
    req->is_detached = true;
    req->transport->cancel(req, &response);
    account(req);
    if (req->is_dispatched) {
        run_on_cancel(req, status);
    } else {
        finish(req); /* its body was still coming: no handler is there to end it */
    }
}

void http_request_abandon(struct http_request *req)
{
    if (!req->is_streaming) {
        req->status = 499; /* as nginx counts it: the client closed the request */
    }
    req->is_detached = true;
    req->task.on_cancel = NULL;
    account(req);
    run_on_cancel(req, UV_ECANCELED);
}

static void on_deadline(struct wheel_timer *timer)
{
    struct http_request *req = CONTAINER_OF(timer, struct http_request, deadline);
    task_cancel(&req->task, UV_ETIMEDOUT);
}

/* --- the beginning -------------------------------------------------------------------------------
 */

static const struct trace_context *get_trace(struct task *task)
{
    return http_trace(CONTAINER_OF(task, struct http_request, task));
}

void http_request_init(struct http_request *req, struct http_server *server,
                       const struct http_transport *transport, uint64_t now_ns)
{
    const struct arena arena = req->arena;
    *req = (struct http_request){
        .server = server,
        .transport = transport,
        .route = router_unmatched(server->router, METHOD_OTHER),
        .arena = arena,
        .target = STR(""),
    };
    wheel_timer_init(&req->deadline, on_deadline);
    task_start(&req->task, "http", now_ns, on_task_cancel);
    req->task.get_trace = get_trace;
    *server->metrics->active += 1;
}

const char *http_request_split(struct http_request *req, struct str rest)
{
    const struct str target = req->target;
    if (target.len > 0 && memchr(target.ptr, '#', target.len) != NULL) {
        return "a fragment in the request target";
    }
    const bool is_asterisk = req->method == METHOD_OPTIONS && str_equal(rest, STR("*"));
    if (req->method == METHOD_OTHER) {
        rest = STR("/"); /* CONNECT has no path; the answer is 501 whatever the target says */
    } else if (!is_asterisk && (rest.len == 0 || rest.ptr[0] != '/')) {
        return "the request target is not a path";
    }
    const char *mark = memchr(rest.ptr, '?', rest.len);
    req->path = rest;
    req->query = STR("");
    if (mark != NULL) {
        req->path.len = (size_t)(mark - rest.ptr);
        req->query = (struct str){mark + 1, rest.len - req->path.len - 1};
    }
    return NULL;
}

int http_request_route(struct http_request *req)
{
    struct router *router = req->server->router;
    if (req->method == METHOD_OPTIONS && str_equal(req->path, STR("*"))) {
        req->route = router_unmatched(router, req->method);
        req->allow = router_all_methods(router);
        return 0;
    }
    struct router_match match = {0}; /* parameters that the template lacks are empty */
    const int rc = router_match(router, req->method, req->path, &req->arena, &match);
    if (rc == 0) {
        req->route = match.route;
        req->allow = match.allow;
        memcpy(req->params, match.params, sizeof(req->params));
    }
    return rc;
}

static void respond_unmatched(struct http_request *req)
{
    char allow[ROUTER_ALLOW_BYTES];
    router_format_allow(req->allow, allow);
    const struct http_header header = {STR("Allow"), str_from(allow)};
    struct http_response response = {.headers = &header, .header_count = 1};
    if (req->method == METHOD_OTHER) {
        http_respond_error(req, 501, "the method is not supported");
    } else if (req->allow == 0) {
        http_respond_error(req, 404, NULL);
    } else if (req->method == METHOD_OPTIONS) {
        response.status = 204;
        http_respond(req, &response);
    } else {
        response.status = 405;
        response.content_type = "text/plain; charset=utf-8";
        response.body = STR("405 Method Not Allowed\n");
        http_respond(req, &response);
    }
}

void http_request_dispatch(struct http_request *req)
{
    const struct route *route = req->route;
    req->is_dispatched = true;
    req->is_long = (route->flags & ROUTE_LONG) != 0;
    if (route->handler == NULL) {
        respond_unmatched(req);
        return;
    }
    const struct http_server *server = req->server;
    const uint64_t id = req->task.id;
    req->task.label = route->label;
    struct task *previous = task_enter(&req->task);
    req->task.handler = (const void *)(uintptr_t)route->handler;
    route->handler(req, route->arg);
    /* an answered request is gone, and with it the current task */
    const struct task *current = task_current();
    if (current != NULL && current->id == id && (route->flags & ROUTE_NO_DEADLINE) == 0) {
        loop_set_timer(server->loop, &req->deadline, server->limits.request_timeout_ms);
    }
    task_leave(previous);
}

/* --- answers -------------------------------------------------------------------------------------
 */

void http_respond(struct http_request *req, const struct http_response *response)
{
    REQUIRE(!req->is_streaming);
    if (!req->is_detached) {
        req->status = response->status;
        req->transport->respond(req, response);
        account(req);
    }
    finish(req);
}

void http_respond_error(struct http_request *req, int status, const char *detail)
{
    char body[512];
    const char *reason = http_status_reason(status);
    int len = detail == NULL ? snprintf(body, sizeof(body), "%d %s\n", status, reason)
                             : snprintf(body, sizeof(body), "%d %s: %s\n", status, reason, detail);
    if (len >= (int)sizeof(body)) {
        len = (int)sizeof(body) - 1;
    }
    const struct http_response response = {
        .status = status,
        .content_type = "text/plain; charset=utf-8",
        .body = {body, (size_t)len},
    };
    http_respond(req, &response);
}

void http_stream_start(struct http_request *req, const struct http_response *response,
                       http_writable_fn on_writable)
{
    REQUIRE(!req->is_streaming);
    req->is_streaming = true;
    req->on_writable = on_writable;
    if (!req->is_detached) {
        req->status = response->status;
        req->transport->stream_start(req, response);
    }
}

bool http_stream_write(struct http_request *req, struct str data)
{
    REQUIRE(req->is_streaming);
    return req->is_detached || data.len == 0 || req->transport->stream_write(req, data);
}

void http_stream_end(struct http_request *req)
{
    REQUIRE(req->is_streaming);
    if (!req->is_detached) {
        req->transport->stream_end(req);
        account(req);
    }
    finish(req);
}

void http_stream_end_with(struct http_request *req, const struct http_header *trailers,
                          size_t count)
{
    REQUIRE(req->is_streaming && (req->route->flags & ROUTE_STREAM) != 0);
    if (!req->is_detached) {
        req->transport->stream_end_with(req, trailers, count);
        account(req);
    }
    finish(req);
}

void http_stream_leave(struct http_request *req, const struct http_header *trailers, size_t count)
{
    REQUIRE(req->is_streaming && (req->route->flags & ROUTE_STREAM) != 0);
    if (req->is_detached) {
        return;
    }
    req->transport->stream_end_with(req, trailers, count);
    account(req);
    req->is_detached = true;
    req->on_cancel = NULL;
    req->task.on_cancel = NULL;
    wheel_unset(&req->deadline);
}

void http_reset(struct http_request *req, enum http_reset code)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    if (!req->is_detached) {
        if (!req->is_streaming) {
            req->status = 500; /* nobody sees it but the accounts */
        }
        req->transport->reset(req, code);
        account(req);
    }
    finish(req);
}

void http_on_body(struct http_request *req, http_body_fn on_body)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    req->on_body = on_body;
}

void http_body_consume(struct http_request *req, size_t len)
{
    REQUIRE((req->route->flags & ROUTE_STREAM) != 0);
    if (!req->is_detached && len > 0) {
        req->transport->consume(req, len);
    }
}

void http_on_cancel(struct http_request *req, http_cancel_fn on_cancel)
{
    req->on_cancel = on_cancel;
}

void http_be_long(struct http_request *req)
{
    req->is_long = true;
}

bool http_is_cancelled(const struct http_request *req)
{
    return req->is_detached;
}

/* --- reading a request ---------------------------------------------------------------------------
 */

struct str http_header_get(const struct http_request *req, struct str name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (str_equal_nocase(req->headers[i].name, name)) {
            return req->headers[i].value;
        }
    }
    return (struct str){NULL, 0};
}

/* join_fields puts the values of all fields of a name behind one another, with commas (RFC 9110 5.3).
 *
 * Returns: an empty view when there is none, or memory is missing. */
static struct str join_fields(struct http_request *req, struct str name)
{
    const struct str first = http_header_get(req, name);
    size_t len = 0;
    for (size_t i = 0; i < req->header_count; i++) {
        if (str_equal_nocase(req->headers[i].name, name)) {
            len += req->headers[i].value.len + 1;
        }
    }
    if (len <= first.len + 1) {
        return first;
    }
    char *joined = arena_alloc(&req->arena, len);
    size_t at = 0;
    for (size_t i = 0; joined != NULL && i < req->header_count; i++) {
        const struct http_header *h = &req->headers[i];
        if (str_equal_nocase(h->name, name)) {
            memcpy(joined + at, h->value.ptr, h->value.len);
            at += h->value.len;
            joined[at++] = ',';
        }
    }
    return (struct str){joined, joined == NULL ? 0 : at - 1};
}

const struct trace_context *http_trace(struct http_request *req)
{
    if (!trace_has_begun(&req->trace)) {
        struct trace_context caller;
        const bool has_caller = trace_parse(join_fields(req, STR("traceparent")),
                                            join_fields(req, STR("tracestate")), &caller);
        trace_begin(has_caller ? &caller : NULL, &req->trace);
    }
    return &req->trace;
}

bool http_query_get(struct http_request *req, struct str name, struct str *ret_value)
{
    struct str rest = req->query;
    struct str field;
    while (rest.len > 0 && str_next_field(&rest, '&', &field)) {
        struct str value = field;
        struct str key;
        if (!str_next_field(&value, '=', &key) || !str_equal(key, name)) {
            continue;
        }
        if (value.ptr == NULL) {
            value = STR(""); /* a name without '=' */
        }
        const int rc = http_decode(&req->arena, value, true, &value);
        *ret_value = value;
        return rc != UV_ENOMEM;
    }
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* decode_escape reads the two digits behind a '%': the byte, or -1 for a bad escape or NUL. */
static int decode_escape(struct str digits)
{
    if (digits.len < 2) {
        return -1;
    }
    const int high = hex_value(digits.ptr[0]);
    const int low = hex_value(digits.ptr[1]);
    return high < 0 || low < 0 || (high | low) == 0 ? -1 : high * 16 + low;
}

int http_decode(struct arena *arena, struct str s, bool is_plus_space, struct str *ret_decoded)
{
    if (s.len == 0 || (memchr(s.ptr, '%', s.len) == NULL &&
                       (!is_plus_space || memchr(s.ptr, '+', s.len) == NULL))) {
        *ret_decoded = s;
        return 0;
    }
    char *out = arena_alloc(arena, s.len);
    if (out == NULL) {
        return UV_ENOMEM;
    }
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int c = (unsigned char)s.ptr[i];
        if (c == '%') {
            c = decode_escape((struct str){s.ptr + i + 1, s.len - i - 1});
            if (c < 0) {
                return UV_EINVAL;
            }
            i += 2;
        } else if (c == '+' && is_plus_space) {
            c = ' ';
        }
        out[len++] = (char)c;
    }
    *ret_decoded = (struct str){out, len};
    return 0;
}

#define EACH_BYTE(b) ((b)*UINT64_C(0x0101010101010101))

/* has_control tells whether one of eight bytes is below ' ' or DEL: a byte that a subtraction takes
 * below zero gets its high bit, and had none before. */
static bool has_control(uint64_t bytes)
{
    const uint64_t from_del = bytes ^ EACH_BYTE(0x7F);
    const uint64_t below_space = (bytes - EACH_BYTE(' ')) & ~bytes;
    const uint64_t is_del = (from_del - EACH_BYTE(1)) & ~from_del;
    return ((below_space | is_del) & EACH_BYTE(0x80)) != 0;
}

/* A CR or LF would start a field, or an answer, of someone else's making. */
bool http_is_safe(struct str s)
{
    uint64_t bytes;
    for (; s.len >= sizeof(bytes); s.ptr += sizeof(bytes), s.len -= sizeof(bytes)) {
        memcpy(&bytes, s.ptr, sizeof(bytes));
        if (has_control(bytes)) {
            return false;
        }
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

/* http_is_host goes through a table, for every request has a Host. Beside what RFC 3986 3.2.2 allows it
 * lets nothing through that means something elsewhere in a URL, a field or a page. */
bool http_is_host(struct str host)
{
    static const bool is_host_byte[256] = {
        ['!'] = true,         ['$' ... '+'] = true, ['-' ... '.'] = true, ['0' ... ';'] = true,
        ['='] = true,         ['A' ... '['] = true, [']'] = true,         ['_'] = true,
        ['a' ... 'z'] = true, ['~'] = true,
    };
    for (size_t i = 0; i < host.len; i++) {
        if (!is_host_byte[(unsigned char)host.ptr[i]]) {
            return false;
        }
    }
    return true;
}

const char *http_method_name(enum http_method method)
{
    static const char *const names[METHOD_COUNT] = {
        [METHOD_OTHER] = "_OTHER",  [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",
        [METHOD_POST] = "POST",     [METHOD_PUT] = "PUT",         [METHOD_PATCH] = "PATCH",
        [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS",
    };
    return names[method];
}
