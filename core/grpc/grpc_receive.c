/* SPDX-License-Identifier: MIT
 *
 * grpc_receive.c - incoming bytes: assembled into messages, which handlers ask for one by one.
 *
 * Bytes of messages that no handler has asked for are held and not consumed, so that the client's
 * window closes. Bytes of the message that was asked for are consumed as they arrive, because it
 * may be longer than the window.
 *
 * Memory:  a message stays as it was received until its handler is about to run: inflated and
 *          unpacked it may be a thousand times as long. Both are charged to the quota; temporary
 *          memory of unpacking is freed.
 */
#include "core/grpc/grpc_internal.h"
#include "core/http/request.h"
#include "core/loop/budget.h"

#define SMALL_BYTES 1024        /* a message that is unpacked into the request's own arena */
#define HELD_SPARE  (64u << 10) /* of `held`, beside two windows: room to move */

/* An unpacked message is several times as long as on the wire: a number of one byte takes eight, a
 * message of two bytes some dozens. Temporary memory of unpacking counts, too. */
#define UNPACKED_FACTOR       64
#define UNPACKED_FACTOR_TOTAL 8 /* of the longest message that may come */
#define UNPACKED_MIN_BYTES    (64u << 10)
#define BIG_MAX               64

static bool is_client_stream(const struct grpc_call *call)
{
    return (call->entry->kind & GRPC_CLIENT_STREAM) != 0;
}

/* is_wanted tells whether the next message may be decoded. */
static bool is_wanted(const struct grpc_call *call)
{
    return !is_client_stream(call) || call->on_message != NULL;
}

/* --- one message --- */

/* inflate_message replaces a message by its inflated bytes, which lie in grpc->inflated. */
static struct grpc_status inflate_message(struct grpc_call *call, struct str *message)
{
    struct buf *inflated = &call->grpc->inflated;
    if (!call->is_inflating) {
        return GRPC_STATUS(GRPC_INTERNAL, "a compressed message without grpc-encoding");
    }
    buf_deinit(inflated);
    buf_init_charged(inflated, call->grpc->limits.receive_bytes, call->req->server->quota);
    switch (grpc_gzip_inflate(call->grpc->gzip, *message, inflated)) {
    case 0:
        *message = buf_str(inflated);
        return (struct grpc_status){0};
    case UV_EMSGSIZE:
        return GRPC_STATUS(GRPC_RESOURCE_EXHAUSTED,
                           "the inflated message is longer than the limit");
    case UV_ENOMEM:
        return grpc_status_of(UV_ENOMEM);
    default:
        return GRPC_STATUS(GRPC_INTERNAL, "the message is not gzip");
    }
}

struct unpacking {
    struct arena *arena;
    void *big[BIG_MAX]; /* pieces with a block of their own, which may be given back */
    size_t big_count;
    bool is_full;
    bool is_huge;
};

static void *alloc_in_arena(void *arg, size_t size)
{
    struct unpacking *unpacking = arg;
    void *memory = arena_alloc(unpacking->arena, size);
    unpacking->is_full = unpacking->is_full || memory == NULL;
    unpacking->is_huge = unpacking->is_huge || unpacking->arena->used_bytes > GRPC_PURGE_BYTES;
    if (size > ARENA_BLOCK_BYTES && memory != NULL && unpacking->big_count < BIG_MAX) {
        unpacking->big[unpacking->big_count++] = memory;
    }
    return memory;
}

/* free_in_arena gives big pieces back: protobuf-c's list of a message's fields, 40 bytes each. The
 * rest goes all at once. */
static void free_in_arena(void *arg, void *memory)
{
    struct unpacking *unpacking = arg;
    for (size_t i = 0; i < unpacking->big_count; i++) {
        if (unpacking->big[i] == memory) {
            unpacking->big[i] = unpacking->big[--unpacking->big_count];
            arena_give_back(unpacking->arena, memory);
            return;
        }
    }
}

/* max_unpacked limits an unpacked message by its length on the wire, and by receive_bytes. */
static size_t max_unpacked(const struct grpc_call *call, size_t len)
{
    const size_t total = call->grpc->limits.receive_bytes * UNPACKED_FACTOR_TOTAL;
    const size_t own = len * UNPACKED_FACTOR;
    return (own < total ? own : total) + UNPACKED_MIN_BYTES;
}

struct arena *grpc_message_arena(struct grpc_call *call, size_t len)
{
    call->messages.max_bytes = max_unpacked(call, len);
    return len <= SMALL_BYTES && !is_client_stream(call) ? &call->req->arena : &call->messages;
}

/* unpack makes a struct of a message.
 *
 * Returns: GRPC_OK with *ret_message set; INTERNAL: it cannot be parsed; RESOURCE_EXHAUSTED.
 * Source:  statuscodes.md. */
static struct grpc_status unpack(struct grpc_call *call, struct str message,
                                 ProtobufCMessage **ret_message)
{
    struct unpacking unpacking = {.arena = grpc_message_arena(call, message.len)};
    ProtobufCAllocator allocator = {alloc_in_arena, free_in_arena, &unpacking};
    ProtobufCMessage *unpacked = protobuf_c_message_unpack(
        call->entry->input, &allocator, message.len, (const uint8_t *)message.ptr);
    call->is_message_huge = unpacking.is_huge;
    if (unpacked == NULL) {
        return unpacking.is_full ? grpc_status_of(UV_ENOMEM)
                                 : GRPC_STATUS(GRPC_INTERNAL, "the message cannot be parsed");
    }
    *ret_message = unpacked;
    return (struct grpc_status){0};
}

void grpc_count_received(struct grpc_call *call, size_t bytes)
{
    METRIC_ADD(call->entry->series.received, 1);
    for (size_t i = 0; i < call->started_count; i++) {
        const struct grpc_interceptor *interceptor = &call->grpc->interceptors[i];
        if (interceptor->on_message != NULL) {
            interceptor->on_message(call, false, bytes, interceptor->arg);
        }
    }
}

static void hand_over(struct grpc_call *call, const ProtobufCMessage *message)
{
    const grpc_message_fn on_message = call->on_message;
    call->on_message = NULL;
    task_unpark(&call->req->task);
    http_peer_has(call->req, HTTP_PEER_SENDS);
    on_message(call, message);
}

/* decode inflates and unpacks a message for the handler.
 *
 * Returns: true with *ret_message set; false: the call was ended, and may be gone. */
static bool decode(struct grpc_call *call, const struct grpc_frame *frame,
                   ProtobufCMessage **ret_message)
{
    struct str message = frame->message;
    struct grpc_status status = {0};
    call->was_compressed = frame->is_compressed;
    if (frame->is_compressed) {
        status = inflate_message(call, &message);
    }
    if (status.code == GRPC_OK) {
        status = unpack(call, message, ret_message);
    }
    if (frame->is_compressed) {
        buf_deinit(&call->grpc->inflated);
    }
    if (status.code != GRPC_OK) {
        grpc_call_break(call, status);
        return false;
    }
    grpc_count_received(call, frame->message.len);
    return true;
}

/* take handles a complete message; the call may be gone afterwards. */
static void take(struct grpc_call *call, const struct grpc_frame *frame)
{
    ProtobufCMessage *message;
    if (is_client_stream(call)) {
        arena_reset(&call->messages);
        if (call->is_message_huge) {
            budget_purge();
        }
        if (decode(call, frame, &message)) {
            hand_over(call, message);
        }
    } else if (call->has_frame) {
        grpc_call_break(call, GRPC_STATUS(GRPC_UNIMPLEMENTED, "more than one message"));
    } else {
        call->has_frame = true;
        call->frame = *frame;
    }
}

/* take_end handles the end of the request; the call may be gone afterwards. */
static void take_end(struct grpc_call *call)
{
    if (!grpc_reader_is_between(&call->reader)) {
        grpc_call_break(call, GRPC_STATUS(GRPC_INTERNAL, "the stream ended inside a message"));
    } else if (is_client_stream(call)) {
        hand_over(call, NULL);
    } else if (!call->has_frame) {
        grpc_call_break(call, GRPC_STATUS(GRPC_UNIMPLEMENTED, "no message"));
    } else if (decode(call, &call->frame, &call->request)) {
        grpc_reader_deinit(&call->reader);
        grpc_call_run(call);
    }
}

/* keep_frame copies the one request if it is borrowed from the data. */
static void keep_frame(struct grpc_call *call)
{
    if (call->has_frame && grpc_reader_keep(&call->reader, &call->frame) < 0) {
        grpc_call_break(call, grpc_status_of(UV_ENOMEM));
    }
}

/* --- bytes --- */

static struct grpc_status status_of_reader(int rc)
{
    switch (rc) {
    case UV_EPROTO:
        return GRPC_STATUS(GRPC_INTERNAL, "a message's flag is neither 0 nor 1");
    case UV_EMSGSIZE:
        return GRPC_STATUS(GRPC_RESOURCE_EXHAUSTED, "the message is longer than the limit");
    default:
        return grpc_status_of(rc);
    }
}

/* feed takes the messages that are wanted from the front of *data, and the end of the request when
 * no data is left.
 *
 * Returns: false when the call is cancelled or has ended. */
static bool feed(struct grpc_call *call, struct str *data)
{
    const size_t all = data->len;
    call->is_feeding = true;
    while (is_wanted(call) && data->len > 0) {
        struct grpc_frame frame;
        const int rc = grpc_reader_next(&call->reader, data, &frame);
        if (rc < 0) {
            grpc_call_break(call, status_of_reader(rc));
        } else if (rc == 1) {
            take(call, &frame);
        }
        if (call->life >= CALL_CANCELLED) {
            return false;
        }
    }
    http_body_consume(call->req, all - data->len);
    if (data->len == 0 && call->is_input_ended && is_wanted(call)) {
        take_end(call);
    } else {
        keep_frame(call);
    }
    call->is_feeding = false;
    return call->life < CALL_CANCELLED;
}

static bool has_held(const struct grpc_call *call)
{
    return call->held_from < call->held.len;
}

static void hold(struct grpc_call *call, struct str data)
{
    if (call->held_from > call->held.len / 2) {
        buf_consume(&call->held, call->held_from);
        call->held_from = 0;
    }
    buf_append_str(&call->held, data);
    if (call->held.is_failed) {
        grpc_call_break(call, grpc_status_of(UV_ENOMEM));
    }
}

void grpc_receive_body(struct http_request *req, struct str data, bool is_end)
{
    struct grpc_call *call = req->user;
    call->is_input_ended = is_end;
    if (has_held(call)) {
        hold(call, data); /* behind earlier bytes */
    } else if (feed(call, &data) && data.len > 0) {
        hold(call, data);
    }
}

/* feed_held feeds the bytes that are held. */
static void feed_held(struct grpc_call *call)
{
    struct str data = buf_str(&call->held); /* of nothing when the end alone is to be told */
    data = (struct str){data.ptr + call->held_from, data.len - call->held_from};
    if (!feed(call, &data)) {
        return;
    }
    call->held_from = call->held.len - data.len;
    if (data.len == 0) {
        buf_deinit(&call->held);
        call->held_from = 0;
    }
}

/* go_on feeds them if the handler has asked for a message. */
static void go_on(struct grpc_call *call)
{
    if (call->life < CALL_CANCELLED && is_client_stream(call) && is_wanted(call)) {
        feed_held(call);
    }
}

/* resume runs what grpc_receive and grpc_send have deferred to the end of the turn. */
static void resume(struct loop_deferred *deferred)
{
    struct grpc_call *call = CONTAINER_OF(deferred, struct grpc_call, resume);
    struct task *previous = task_enter(&call->req->task);
    if (call->is_send_failed) {
        grpc_call_break(call, GRPC_SEND_FAILED);
    } else {
        go_on(call);
    }
    task_leave(previous);
}

void grpc_receive(struct grpc_call *call, grpc_message_fn on_message)
{
    if (!grpc_may_call(call, "grpc_receive")) {
        return; /* on_cancel has run */
    }
    REQUIRE(is_client_stream(call) && call->on_message == NULL);
    call->on_message = on_message;
    http_await_peer(call->req, HTTP_PEER_SENDS);
    task_park(&call->req->task, "receive");
    if (!call->is_feeding && (has_held(call) || call->is_input_ended)) {
        loop_defer(call->req->server->loop, &call->resume);
    }
}

void grpc_receive_init(struct grpc_call *call)
{
    const struct http_limits *limits = &call->req->server->limits;
    struct quota *quota = call->req->server->quota;
    grpc_reader_init(&call->reader, call->grpc->limits.receive_bytes, quota);
    arena_init_charged(&call->messages, max_unpacked(call, SIZE_MAX / UNPACKED_FACTOR), quota);
    buf_init_charged(&call->held, 2 * (size_t)limits->http2.stream_window_bytes + HELD_SPARE,
                     quota);
    call->resume.run = resume;
    list_init(&call->resume.link);
}
