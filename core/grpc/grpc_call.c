/* SPDX-License-Identifier: MIT
 *
 * grpc_call.c - the life of a call: from the fields of a request through the interceptors to a
 * handler, and its one end.
 */
#include "core/base/clock.h"
#include "core/grpc/grpc_internal.h"
#include "core/http/misuse.h"
#include "core/http/request.h"
#include "core/loop/budget.h"
#include "core/telemetry/log.h"

#define TIMEOUT_MAX_MS UINT64_C(1000000000000) /* 30 years: nobody waits for more */

/* --- life --- */

#define LIFE(life) (1u << CALL_##life)

static void set_life(struct grpc_call *call, enum grpc_life life)
{
    static const uint8_t may_follow[] = {
        [CALL_ARRIVING] = LIFE(RUNNING) | LIFE(ENDED),
        [CALL_RUNNING] = LIFE(CANCELLED) | LIFE(ENDED),
        [CALL_CANCELLED] = LIFE(ENDED),
        [CALL_ENDED] = 0,
    };
    INVARIANT((may_follow[call->life] & (1u << life)) != 0);
    call->life = life;
}

/* --- the end --- */

static void account(struct grpc_call *call, const struct grpc_status *status)
{
    const uint64_t now_ns = clock_now_ns();
    grpc_metrics_count(&call->entry->series, status->code, now_ns - call->req->task.start_ns);
    call->req->rpc_seconds = call->entry->series.duration[status->code];
    while (call->started_count > 0) {
        const struct grpc_interceptor *interceptor =
            &call->grpc->interceptors[--call->started_count];
        if (interceptor->on_end != NULL) {
            interceptor->on_end(call, status, interceptor->arg);
        }
    }
}

/* finish ends the call. body: a message before the trailers; empty for none. */
static void finish(struct grpc_call *call, struct grpc_status status, struct str body)
{
    if (call->life == CALL_CANCELLED) {
        status = call->cancel_status;
    } else if (call->is_send_failed) {
        status = GRPC_SEND_FAILED;
        status.http = call->is_answer_too_long ? 500 : status.http; /* trying again is in vain */
    }
    if (status.code >= GRPC_CODE_COUNT) {
        status.code = GRPC_UNKNOWN;
    }
    set_life(call, CALL_ENDED);
    account(call, &status);
    list_unlink(&call->link);
    loop_undefer(&call->resume);
    struct arena messages = call->messages; /* the status may point into it */
    const bool is_message_huge = call->is_message_huge;
    grpc_reader_deinit(&call->reader);
    buf_deinit(&call->held);
    call->wire->send_status(call, &status, body, false);
    arena_deinit(&messages);
    if (is_message_huge) {
        budget_purge();
    }
}

/* end is grpc_end for a call that has not ended. */
static void end(struct grpc_call *call, struct grpc_status status)
{
    finish(call, status, STR(""));
}

void grpc_end(struct grpc_call *call, struct grpc_status status)
{
    if (grpc_may_call(call, "grpc_end") || call->life == CALL_CANCELLED) {
        end(call, status);
    }
}

void grpc_respond(struct grpc_call *call, const struct ProtobufCMessage *message)
{
    struct str bytes = STR("");
    const bool is_sent = grpc_may_call(call, "grpc_respond") && !call->is_send_failed;
    if (call->life == CALL_ENDED) {
        return;
    }
    const int rc = is_sent ? call->wire->pack(call, message, &bytes) : 0;
    call->is_answer_too_long = rc == UV_EMSGSIZE;
    if (is_sent && rc == 0 && http_may_send(call->req, bytes.len)) {
        grpc_count_sent(call, bytes.len);
    } else {
        call->is_send_failed = call->is_send_failed || is_sent;
        bytes = STR("");
    }
    finish(call, (struct grpc_status){0}, bytes);
}

void grpc_fail(struct grpc_call *call, int error)
{
    const struct grpc_status status = grpc_status_of(error);
    if (status.code == GRPC_INTERNAL && call->life < CALL_CANCELLED) {
        LOG(LOG_ERROR, "grpc", "call failed", log_cstr("method", call->entry->name),
            log_cstr("error", uv_err_name(error)));
    }
    grpc_end(call, status);
}

/* give_up cancels a call that a handler has; the handler may end it later.
 *
 * has_client: the client is there, and gets the status at once. */
static void give_up(struct grpc_call *call, struct grpc_status status, int error, bool has_client)
{
    const grpc_cancel_fn handler_on_cancel = call->on_cancel;
    call->cancel_status = status;
    if (has_client) {
        call->wire->send_status(call, &call->cancel_status, STR(""), true);
    }
    set_life(call, CALL_CANCELLED);
    call->on_message = NULL;
    call->on_writable = NULL;
    call->on_drain = NULL;
    call->on_cancel = NULL;
    loop_undefer(&call->resume);
    if (handler_on_cancel != NULL) {
        handler_on_cancel(call, error);
    }
    task_cancel_waits(&call->req->task);
}

/* end_unheld ends a cancelled call that nobody holds any more. */
static void end_unheld(struct http_request *req)
{
    struct grpc_call *call = req->user;
    if (call->life == CALL_CANCELLED) {
        end(call, call->cancel_status);
    }
}

/* on_cancel: the client left, the deadline passed, the server stops, or an ask found no memory. */
static void on_cancel(struct http_request *req, int error)
{
    struct grpc_call *call = req->user;
    const bool has_client = !http_is_cancelled(req);
    struct grpc_status status = GRPC_STATUS(GRPC_CANCELLED, "the client left");
    if (has_client) {
        status = grpc_status_of(error);
    } else if (call->cancel_status.code != GRPC_OK) {
        status = call->cancel_status; /* the client was told already */
    }
    if (call->life == CALL_RUNNING) {
        give_up(call, status, error, has_client);
    } else {
        end(call, status); /* no handler has it */
    }
}

void grpc_call_break(struct grpc_call *call, struct grpc_status status)
{
    if (call->life == CALL_RUNNING) {
        give_up(call, status, UV_ECANCELED, true);
    } else if (call->life == CALL_ARRIVING) {
        end(call, status);
    }
}

/* --- the beginning --- */

struct grpc_call *grpc_call_create(struct http_request *req, struct grpc_entry *entry,
                                   const struct grpc_wire *wire)
{
    struct grpc_call *call = arena_alloc(&req->arena, sizeof(*call));
    if (call == NULL) {
        return NULL;
    }
    *call = (struct grpc_call){.req = req, .grpc = entry->grpc, .entry = entry, .wire = wire};
    list_init(&call->link);
    grpc_receive_init(call);
    req->user = call;
    grpc_note_status(req, GRPC_CANCELLED); /* unless it ends otherwise */
    return call;
}

static void refuse(struct grpc_call *call, const struct grpc_refusal *refusal)
{
    if (refusal->http == 200) {
        METRIC_ADD(call->entry->series.started, 1);
        account(call, &refusal->status);
    }
    grpc_send_refusal(call, refusal);
}

/* set_deadline: a call without a deadline of its own has the server's if its request is one
 * message, for a server stream until that has come. A client stream may wait for ever, so a client
 * that sends FIN has left: gRPC clients do not half-close a connection. */
static void set_deadline(struct grpc_call *call, uint64_t timeout_ns)
{
    struct http_request *req = call->req;
    uint64_t timeout_ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS > 0 ? 1 : 0);
    call->is_timed = timeout_ns != UINT64_MAX;
    if (!call->is_timed) {
        if (call->entry->kind != GRPC_UNARY) {
            http_be_long(req);
        }
        if ((call->entry->kind & GRPC_CLIENT_STREAM) != 0) {
            return;
        }
        timeout_ms = req->server->limits.request_timeout_ms;
    }
    timeout_ms = timeout_ms < TIMEOUT_MAX_MS ? timeout_ms : TIMEOUT_MAX_MS;
    loop_set_timer(req->server->loop, &req->deadline, timeout_ms);
}

/* intercept asks the interceptors.
 *
 * Returns: false when one of them has refused the call, which is gone. */
static bool intercept(struct grpc_call *call)
{
    const struct grpc *grpc = call->grpc;
    for (size_t i = 0; i < grpc->interceptor_count; i++) {
        const struct grpc_interceptor *interceptor = &grpc->interceptors[i];
        struct grpc_status status = {0};
        if (interceptor->on_start != NULL) {
            status = interceptor->on_start(call, interceptor->arg);
        }
        call->started_count++;
        if (status.code != GRPC_OK) {
            end(call, status);
            return false;
        }
    }
    return true;
}

void grpc_call_run(struct grpc_call *call)
{
    struct http_request *req = call->req;
    const struct grpc_entry *entry = call->entry;
    if (entry->kind == GRPC_SERVER_STREAM && !call->is_timed) {
        wheel_unset(&req->deadline);
    }
    set_life(call, CALL_RUNNING);
    task_unpark(&req->task);
    http_peer_has(req, HTTP_PEER_SENDS); /* from here on grpc_receive says so */
    entry->handler(call, call->request, entry->arg);
}

bool grpc_call_start(struct grpc_call *call, uint64_t timeout_ns)
{
    struct http_request *req = call->req;
    METRIC_ADD(call->entry->series.started, 1);
    list_push_back(&call->grpc->calls, &call->link);
    http_on_cancel(req, on_cancel);
    req->end_unheld = end_unheld;
    set_deadline(call, timeout_ns);
    return intercept(call);
}

void grpc_call_begin(struct http_request *req, void *arg)
{
    struct grpc_entry *entry = arg;
    struct grpc_call *call = grpc_call_create(req, entry, &grpc_framed);
    if (call == NULL) {
        grpc_refuse_head(req, 503, "out of memory");
        return;
    }
    req->cpu_seconds = entry->series.cpu;
    /* the label is the route's own, but for unknown methods */
    task_describe(&req->task, "grpc", entry->label, (const void *)(uintptr_t)entry->handler);
    uint64_t timeout_ns;
    const struct grpc_refusal refusal = grpc_check(call, &timeout_ns);
    if (refusal.http != 0) {
        refuse(call, &refusal);
        return;
    }
    if (!grpc_call_start(call, timeout_ns)) {
        return;
    }
    http_on_body(req, grpc_receive_body);
    if ((entry->kind & GRPC_CLIENT_STREAM) != 0) {
        grpc_call_run(call);
    } else {
        task_park(&req->task, "receive");
    }
}

/* --- what handlers call --- */

void grpc_set_user(struct grpc_call *call, void *user)
{
    call->user = user;
}

void *grpc_user(const struct grpc_call *call)
{
    return call->user;
}

void *grpc_arg(const struct grpc_call *call)
{
    return call->entry->arg;
}

const ProtobufCMessage *grpc_message(const struct grpc_call *call)
{
    return call->request;
}

struct http_request *grpc_request(struct grpc_call *call)
{
    return call->req;
}

void *grpc_alloc(struct grpc_call *call, size_t size)
{
    return arena_alloc(&call->req->arena, size);
}

void *grpc_alloc_list(struct grpc_call *call, const ProtobufCMessageDescriptor *type, size_t count)
{
    const size_t one_bytes = sizeof(void *) + type->sizeof_message;
    void **list = count < SIZE_MAX / one_bytes ? grpc_alloc(call, (count + 1) * one_bytes) : NULL;
    if (list == NULL) {
        return NULL;
    }
    char *message = (char *)(list + count); /* no field is aligned more strictly than a pointer */
    for (size_t i = 0; i < count; i++, message += type->sizeof_message) {
        protobuf_c_message_init(type, message);
        list[i] = message;
    }
    return list;
}

const char *grpc_full_name(const struct grpc_call *call)
{
    return call->entry->name;
}

/* nth_value cuts the index-th value out of a field that may hold several.
 *
 * Returns: true with *ret_value set; false with *index less by what the field holds. */
static bool nth_value(struct str field, bool is_binary, size_t *index, struct str *ret_value)
{
    if (!is_binary) {
        *ret_value = field;
        return (*index)-- == 0;
    }
    while (str_next_field(&field, ',', ret_value)) {
        if ((*index)-- == 0) {
            return true;
        }
    }
    return false;
}

struct str grpc_metadata(struct grpc_call *call, struct str name, size_t index)
{
    const struct http_request *req = call->req;
    const bool is_binary = grpc_is_binary_name(name);
    struct str value;
    for (size_t i = 0; i < req->header_count; i++) {
        if (!str_equal_nocase(req->headers[i].name, name) ||
            !nth_value(req->headers[i].value, is_binary, &index, &value)) {
            continue;
        }
        if (is_binary && !grpc_base64_decode(&call->req->arena, value, &value)) {
            break;
        }
        return value;
    }
    return (struct str){NULL, 0};
}

const struct trace_context *grpc_trace(struct grpc_call *call)
{
    return http_trace(call->req);
}

void grpc_compress(struct grpc_call *call, bool is_on)
{
    if (call->req->life == HTTP_STREAMING && !call->is_compressing &&
        !call->was_compression_chosen) {
        return; /* the headers went out without grpc-encoding */
    }
    call->is_compressing = is_on;
    call->was_compression_chosen = true;
}

bool grpc_is_compressed(const struct grpc_call *call)
{
    return call->was_compressed;
}

void grpc_on_writable(struct grpc_call *call, grpc_event_fn on_writable)
{
    if (grpc_may_call(call, "grpc_on_writable")) {
        call->on_writable = on_writable;
    }
}

void grpc_on_cancel(struct grpc_call *call, grpc_cancel_fn handler_on_cancel)
{
    if (grpc_may_call(call, "grpc_on_cancel")) {
        call->on_cancel = handler_on_cancel;
    }
}

static void tell_drain(struct http_request *req)
{
    struct grpc_call *call = req->user;
    const grpc_event_fn on_drain = call->on_drain;
    call->on_drain = NULL;
    if (on_drain != NULL) {
        on_drain(call);
    }
}

void grpc_on_drain(struct grpc_call *call, grpc_event_fn on_drain)
{
    if (!grpc_may_call(call, "grpc_on_drain")) {
        return;
    }
    call->on_drain = on_drain;
    http_on_drain(call->req, tell_drain);
}

bool grpc_is_cancelled(const struct grpc_call *call)
{
    return call->life == CALL_CANCELLED || http_is_cancelled(call->req);
}

/* --- what outlives a callback --- */

struct task_ref grpc_ref(const struct grpc_call *call)
{
    return http_ref(call->req);
}

struct grpc_call *grpc_from_ref(struct task_ref ref)
{
    const struct http_request *req = http_from_ref(ref);
    return req == NULL ? NULL : req->user;
}

struct task_ref grpc_wait(struct grpc_call *call, const char *state)
{
    return http_wait(call->req, state);
}

struct resumption {
    grpc_resumed_fn go_on;
    void *arg;
};

static void on_resumed(struct http_request *req, void *arg)
{
    const struct resumption *resumption = arg;
    resumption->go_on(req->user, resumption->arg);
}

bool grpc_resume(struct task_ref ref, grpc_resumed_fn go_on, void *arg)
{
    struct resumption resumption = {go_on, arg};
    return http_resume(ref, on_resumed, &resumption);
}

void grpc_release(struct grpc_call *call)
{
    http_release(call->req);
}
