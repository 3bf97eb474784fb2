/* SPDX-License-Identifier: MIT
 *
 * interop_service.c - calls whose answers are as long, as late and as compressed as the client
 * says.
 *
 * Flow: request -> a list of replies -> one after the other, at the client's pace -> the next
 *       request, or the end. HalfDuplexCall makes one list of all requests first.
 */
#include "test/support/interop_service.h"

#include "core/http/server.h"
#include "grpc/testing/test.pb-c.h"

#define US_PER_MS      1000
#define SIZE_MAX_BYTES (16 << 20) /* of a reply's payload */
#define FIRST_CAP      8

typedef Grpc__Testing__ResponseParameters reply_spec;
typedef Grpc__Testing__StreamingOutputCallRequest output_request;

/* One call. */
struct interop {
    struct grpc_call *call;
    struct wheel_timer timer;
    grpc_event_fn on_replied; /* all replies of the list are sent */
    reply_spec **specs;
    size_t spec_count;
    size_t spec_cap; /* HalfDuplexCall's own list */
    size_t next;     /* reply of the list */
    bool has_waited; /* before it */
    struct task_ref ref;
    int32_t total_bytes;
};

/* Every payload is a part of this; it is never written, so it takes no memory. */
static uint8_t zeros[SIZE_MAX_BYTES];

/* --- what all calls have --- */

static void end(struct grpc_call *call, struct grpc_status status)
{
    struct interop *interop = grpc_user(call);
    if (interop != NULL) {
        wheel_unset(&interop->timer);
    }
    grpc_end(call, status);
}

static void on_cancel(struct grpc_call *call, int status)
{
    end(call, grpc_status_of(status));
}

/* echo_metadata sends back what the client wants to have back.
 *
 * Returns: 0; UV_EINVAL; UV_ENOMEM. */
static int echo_metadata(struct grpc_call *call)
{
    static const struct str initial_name = STR("x-grpc-test-echo-initial");
    static const struct str trailing_name = STR("x-grpc-test-echo-trailing-bin");
    const struct str initial = grpc_metadata(call, initial_name, 0);
    const struct str trailing = grpc_metadata(call, trailing_name, 0);
    const int rc = initial.ptr == NULL ? 0 : grpc_add_header(call, initial_name, initial);
    return rc < 0 || trailing.ptr == NULL ? rc : grpc_add_trailer(call, trailing_name, trailing);
}

/* start makes what a stream needs.
 *
 * Returns: false when there is no memory for it: the call is gone. */
static bool start(struct grpc_call *call, grpc_event_fn on_replied,
                  void (*on_awake)(struct wheel_timer *timer))
{
    struct interop *interop = grpc_alloc(call, sizeof(*interop));
    const int rc = interop == NULL ? UV_ENOMEM : echo_metadata(call);
    if (rc < 0) {
        grpc_fail(call, rc);
        return false;
    }
    *interop = (struct interop){.call = call, .on_replied = on_replied};
    wheel_timer_init(&interop->timer, on_awake);
    grpc_set_user(call, interop);
    grpc_on_cancel(call, on_cancel);
    return true;
}

static struct grpc_status status_of(const Grpc__Testing__EchoStatus *echo)
{
    if (echo == NULL) {
        return (struct grpc_status){0};
    }
    return (struct grpc_status){(enum grpc_code)echo->code, str_from(echo->message), NULL};
}

/* is_as_expected tells whether a request is compressed where it says so, and plain where it says
 * that. */
static bool is_as_expected(const struct grpc_call *call, const Grpc__Testing__BoolValue *expected)
{
    return expected == NULL || (expected->value != 0) == grpc_is_compressed(call);
}

static bool is_possible(Grpc__Testing__PayloadType type, int32_t size)
{
    return type == GRPC__TESTING__PAYLOAD_TYPE__COMPRESSABLE && size >= 0 && size <= SIZE_MAX_BYTES;
}

static Grpc__Testing__Payload payload_of(int32_t size)
{
    Grpc__Testing__Payload payload = GRPC__TESTING__PAYLOAD__INIT;
    payload.body = (ProtobufCBinaryData){(size_t)size, zeros};
    return payload;
}

static void choose_compression(struct grpc_call *call, const Grpc__Testing__BoolValue *chosen)
{
    if (chosen != NULL) {
        grpc_compress(call, chosen->value != 0);
    }
}

/* --- EmptyCall, UnaryCall --- */

static void handle_empty(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    const Grpc__Testing__Empty empty = GRPC__TESTING__EMPTY__INIT;
    grpc_respond(call, &empty.base);
}

static void handle_unary(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)arg;
    const Grpc__Testing__SimpleRequest *request = (const Grpc__Testing__SimpleRequest *)message;
    const int rc = echo_metadata(call);
    if (rc < 0) {
        grpc_fail(call, rc);
    } else if (!is_as_expected(call, request->expect_compressed)) {
        end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT, "expect_compressed is not what came"));
    } else if (request->response_status != NULL && request->response_status->code != 0) {
        end(call, status_of(request->response_status));
    } else if (!is_possible(request->response_type, request->response_size)) {
        end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT, "no such payload"));
    } else {
        Grpc__Testing__Payload payload = payload_of(request->response_size);
        Grpc__Testing__SimpleResponse response = GRPC__TESTING__SIMPLE_RESPONSE__INIT;
        response.payload = &payload;
        choose_compression(call, request->response_compressed);
        grpc_respond(call, &response.base);
    }
}

/* --- StreamingInputCall --- */

static void add_up(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct interop *interop = grpc_user(call);
    const Grpc__Testing__StreamingInputCallRequest *request =
        (const Grpc__Testing__StreamingInputCallRequest *)message;
    if (request == NULL) {
        Grpc__Testing__StreamingInputCallResponse response =
            GRPC__TESTING__STREAMING_INPUT_CALL_RESPONSE__INIT;
        response.aggregated_payload_size = interop->total_bytes;
        grpc_respond(call, &response.base);
        return;
    }
    if (!is_as_expected(call, request->expect_compressed)) {
        end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT, "expect_compressed is not what came"));
        return;
    }
    const size_t len = request->payload == NULL ? 0 : request->payload->body.len;
    if (len > (size_t)(INT32_MAX - interop->total_bytes)) {
        end(call, GRPC_STATUS(GRPC_OUT_OF_RANGE, "the sum is too big to tell"));
        return;
    }
    interop->total_bytes += (int32_t)len;
    grpc_receive(call, add_up);
}

static void handle_input(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    if (start(call, NULL, NULL)) {
        grpc_receive(call, add_up);
    }
}

/* --- replies of a stream --- */

/* is_time_for tells whether a reply may go; else the timer goes on. */
static bool is_time_for(struct interop *interop, const reply_spec *spec)
{
    if (spec->interval_us <= 0 || interop->has_waited) {
        interop->has_waited = false;
        return true;
    }
    struct http_request *req = grpc_request(interop->call);
    interop->has_waited = true;
    loop_set_timer(req->server->loop, &interop->timer,
                   ((uint64_t)spec->interval_us + US_PER_MS - 1) / US_PER_MS);
    interop->ref = http_wait(req, "sleep");
    return false;
}

static void send_replies(struct grpc_call *call)
{
    struct interop *interop = grpc_user(call);
    while (interop->next < interop->spec_count) {
        const reply_spec *spec = interop->specs[interop->next];
        if (!is_possible(GRPC__TESTING__PAYLOAD_TYPE__COMPRESSABLE, spec->size)) {
            end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT, "no such payload"));
            return;
        }
        if (!is_time_for(interop, spec)) {
            return;
        }
        Grpc__Testing__Payload payload = payload_of(spec->size);
        Grpc__Testing__StreamingOutputCallResponse response =
            GRPC__TESTING__STREAMING_OUTPUT_CALL_RESPONSE__INIT;
        response.payload = &payload;
        choose_compression(call, spec->compressed);
        interop->next++;
        if (!grpc_send(call, &response.base)) {
            return;
        }
    }
    interop->on_replied(call);
}

static void go_on(struct grpc_call *call, void *arg)
{
    (void)arg;
    send_replies(call);
}

static void on_awake(struct wheel_timer *timer)
{
    struct interop *interop = CONTAINER_OF(timer, struct interop, timer);
    (void)grpc_resume(interop->ref, go_on, NULL);
}

static void reply_to(struct grpc_call *call, const output_request *request)
{
    struct interop *interop = grpc_user(call);
    if (request->response_status != NULL && request->response_status->code != 0) {
        end(call, status_of(request->response_status));
        return;
    }
    interop->specs = request->response_parameters;
    interop->spec_count = request->n_response_parameters;
    interop->next = 0;
    send_replies(call);
}

static void end_well(struct grpc_call *call)
{
    end(call, (struct grpc_status){0});
}

/* --- StreamingOutputCall, FullDuplexCall --- */

static void handle_output(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)arg;
    if (start(call, end_well, on_awake)) {
        grpc_on_writable(call, send_replies);
        reply_to(call, (const output_request *)message);
    }
}

static void reply_or_end(struct grpc_call *call, const ProtobufCMessage *message)
{
    if (message == NULL) {
        end_well(call);
    } else {
        reply_to(call, (const output_request *)message);
    }
}

static void receive_next(struct grpc_call *call)
{
    grpc_receive(call, reply_or_end);
}

static void handle_full_duplex(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    if (start(call, receive_next, on_awake)) {
        grpc_on_writable(call, send_replies);
        receive_next(call);
    }
}

/* --- HalfDuplexCall --- */

static bool grow(struct interop *interop)
{
    const size_t cap = interop->spec_cap == 0 ? FIRST_CAP : 2 * interop->spec_cap;
    reply_spec **specs = grpc_alloc(interop->call, cap * sizeof(specs[0]));
    if (specs == NULL) {
        return false;
    }
    if (interop->spec_count > 0) {
        memcpy(specs, interop->specs, interop->spec_count * sizeof(specs[0]));
    }
    interop->specs = specs;
    interop->spec_cap = cap;
    return true;
}

/* keep copies what a reply is to be like, for requests do not stay. */
static bool keep(struct interop *interop, const reply_spec *spec)
{
    if (interop->spec_count == interop->spec_cap && !grow(interop)) {
        return false;
    }
    struct {
        reply_spec spec;
        Grpc__Testing__BoolValue compressed;
    } *copy = grpc_alloc(interop->call, sizeof(*copy));
    if (copy == NULL) {
        return false;
    }
    copy->spec = *spec;
    if (spec->compressed != NULL) {
        copy->compressed = *spec->compressed;
        copy->spec.compressed = &copy->compressed;
    }
    interop->specs[interop->spec_count++] = &copy->spec;
    return true;
}

static void gather(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct interop *interop = grpc_user(call);
    const output_request *request = (const output_request *)message;
    if (request == NULL) {
        send_replies(call);
        return;
    }
    for (size_t i = 0; i < request->n_response_parameters; i++) {
        if (!keep(interop, request->response_parameters[i])) {
            grpc_fail(call, UV_ENOMEM);
            return;
        }
    }
    grpc_receive(call, gather);
}

static void handle_half_duplex(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    if (start(call, end_well, on_awake)) {
        grpc_on_writable(call, send_replies);
        grpc_receive(call, gather);
    }
}

/* --- the table --- */

int interop_service_mount(struct grpc *grpc)
{
    static const struct grpc_method methods[] = {
        {"EmptyCall", GRPC_UNARY, handle_empty},
        {"UnaryCall", GRPC_UNARY, handle_unary},
        {"StreamingOutputCall", GRPC_SERVER_STREAM, handle_output},
        {"StreamingInputCall", GRPC_CLIENT_STREAM, handle_input},
        {"FullDuplexCall", GRPC_BIDI_STREAM, handle_full_duplex},
        {"HalfDuplexCall", GRPC_BIDI_STREAM, handle_half_duplex},
    };
    const struct grpc_service service = {&grpc__testing__test_service__descriptor, methods,
                                         ARRAY_COUNT(methods), NULL, false};
    return grpc_add_service(grpc, &service);
}
