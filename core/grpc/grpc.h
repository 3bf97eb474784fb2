/* SPDX-License-Identifier: MIT
 *
 * grpc.h - what a gRPC service sees: calls and the ways to answer them; and how its methods are
 * served.
 *
 * A service is a table of methods over its protobuf-c descriptor. A handler answers at once or
 * later:
 *
 *   kind                  the handler runs                  it answers with
 *   GRPC_UNARY            when the one request is there      grpc_respond, or grpc_end
 *   GRPC_SERVER_STREAM    when the one request is there      grpc_send ..., grpc_end
 *   GRPC_CLIENT_STREAM    when the metadata is there         grpc_receive ..., grpc_respond
 *   GRPC_BIDI_STREAM      when the metadata is there         grpc_receive, grpc_send ..., grpc_end
 *   GRPC_SERVER_WATCH     as GRPC_SERVER_STREAM, for one without an end of its own
 *
 * Flow:    HEADERS -> checks -> interceptors -> [message] -> handler -> grpc_send, grpc_end ->
 *          trailers
 * Failure: the peer may leave and the deadline may pass first: on_cancel runs once, then what the
 *          call waits for is given up, and its callbacks get UV_ECANCELED. What the handler sends
 *          then is dropped. A cancelled call that nobody holds is ended. Callbacks of the call but
 *          on_cancel do not run any more.
 * Memory:  a call and what it points at live as long as its request (http.h): until it has ended
 *          and nobody holds it; grpc_alloc's memory too, and the one request. A message of a stream
 *          lives until the next one is asked for.
 * Thread:  the loop.
 * Source:  gRPC over HTTP/2 (PROTOCOL-HTTP2.md), statuscodes.md, compression.md.
 */
#ifndef TOQ_CORE_GRPC_GRPC_H
#define TOQ_CORE_GRPC_GRPC_H

#include "core/grpc/grpc_status.h"
#include "core/http/router.h"
#include "core/telemetry/metrics.h"

struct ProtobufCMessage; /* of protobuf-c, whose header the generated ones bring */
struct ProtobufCMessageDescriptor;
struct ProtobufCServiceDescriptor;

struct grpc;
struct grpc_call;

/* Bit 0: the client sends a stream; bit 1: the server does; bit 2, in a table of methods only: its
 * stream has no end of its own, so a client that sends FIN has left (ROUTE_LONG). */
enum grpc_kind {
    GRPC_UNARY,
    GRPC_CLIENT_STREAM,
    GRPC_SERVER_STREAM,
    GRPC_BIDI_STREAM,
    GRPC_SERVER_WATCH = GRPC_SERVER_STREAM | 4
};

/* A grpc_handler_fn serves one call.
 *
 * request: the message, of the method's input type; NULL when the client sends a stream. arg: the
 * service's. */
typedef void (*grpc_handler_fn)(struct grpc_call *call, const struct ProtobufCMessage *request,
                                void *arg);

/* A grpc_message_fn gets the message that grpc_receive asked for; NULL: the client sends no
 * more. */
typedef void (*grpc_message_fn)(struct grpc_call *call, const struct ProtobufCMessage *message);

typedef void (*grpc_event_fn)(struct grpc_call *call);

/* A grpc_cancel_fn stops what was started for a call, as an http_cancel_fn does.
 *
 * status: UV_ECANCELED the client left, or a message of either side cannot be taken, or the server
 * stops; UV_ETIMEDOUT the deadline passed. */
typedef void (*grpc_cancel_fn)(struct grpc_call *call, int status);

struct grpc_method {
    const char *name; /* as in the .proto file */
    enum grpc_kind kind;
    grpc_handler_fn handler;
};

struct grpc_service {
    const struct ProtobufCServiceDescriptor *descriptor;
    const struct grpc_method
        *methods; /* those that the descriptor has beside them are not served */
    size_t method_count;
    void *arg;     /* for its handlers */
    bool is_vital; /* served also when no memory is left for others */
};

/* What every call goes through, for auth, accounts and traces. All but arg may be NULL. */
struct grpc_interceptor {
    /* before the handler, in the order of registration. Another code than GRPC_OK refuses the call:
     * neither the handler nor a later interceptor sees it. Texts live in the call, or for ever. */
    struct grpc_status (*on_start)(struct grpc_call *call, void *arg);
    /* for each message that is complete; bytes: on the wire, as it was compressed */
    void (*on_message)(struct grpc_call *call, bool is_sent, size_t bytes, void *arg);
    /* once for each call whose on_start ran, in the opposite order, just before its memory goes */
    void (*on_end)(struct grpc_call *call, const struct grpc_status *status, void *arg);
    void *arg;
};

struct grpc_limits {
    size_t receive_bytes; /* of a message, as it came and inflated: RESOURCE_EXHAUSTED */
    size_t send_bytes;    /* of a message: RESOURCE_EXHAUSTED; 0: as long as its prefix can say */
};

/* GRPC_TEXT is a view of a field of bytes, GRPC_BYTES a field that is a view of a text. Both
 * evaluate their argument more than once: give them a variable, not a call. */
#define GRPC_TEXT(field)                                                                           \
    ((struct str){(field).len == 0 ? "" : (const char *)(field).data, (field).len})
#define GRPC_BYTES(text)                                                                           \
    ((ProtobufCBinaryData){.len = (text).len, .data = (uint8_t *)(uintptr_t)(text).ptr})

/* GRPC_SET sets a field that has presence: its value, and that it is there. */
#define GRPC_SET(message, field, value) ((message)->field = (value), (message)->has_##field = true)

/* --- serving --- */

/* grpc_create makes a server of no services, and registers the metric families.
 *
 * Owns:    metrics is borrowed and outlives it.
 * Returns: 0 with *ret_grpc set; UV_ENOMEM.
 */
MUST_USE int grpc_create(const struct grpc_limits *limits, struct metrics *metrics,
                         struct grpc **ret_grpc);

/* grpc_destroy frees it; takes NULL. No call is left, and its router is gone. */
void grpc_destroy(struct grpc *grpc);

/* grpc_add_interceptor puts one behind those that are there; at most 8. It is copied. */
void grpc_add_interceptor(struct grpc *grpc, const struct grpc_interceptor *interceptor);

/* grpc_add_service mounts a service, before grpc_mount. Its metrics begin at zero.
 *
 * Owns:    service is copied; what it points at is borrowed and outlives grpc.
 * Returns: 0; UV_ENOMEM. A method that the descriptor does not have is a broken REQUIRE.
 */
MUST_USE int grpc_add_service(struct grpc *grpc, const struct grpc_service *service);

/* grpc_mount adds the services' routes, and answers for all other paths: 415 to what is not gRPC.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int grpc_mount(struct grpc *grpc, struct router *router);

/* grpc_service_at is the index-th mounted service's full name, NULL behind the last. */
const char *grpc_service_at(const struct grpc *grpc, size_t index);

/* --- a call --- */

/* grpc_set_user and grpc_user keep the handler's own pointer. */
void grpc_set_user(struct grpc_call *call, void *user);

/* grpc_user is what grpc_set_user kept, NULL at first. */
void *grpc_user(const struct grpc_call *call);

/* grpc_request is the HTTP request that carries the call: its task, peer and fields. */
struct http_request *grpc_request(struct grpc_call *call);

/* grpc_alloc hands out memory that lives as long as the call, aligned for any type, not zeroed.
 *
 * Returns: NULL when the maximum is reached or memory is missing.
 */
MUST_USE void *grpc_alloc(struct grpc_call *call, size_t size);

/* grpc_alloc_list makes a repeated field: `count` messages of a type with no field set, and the
 * list of them.
 *
 * Returns: the list, as grpc_alloc; not NULL when count is 0.
 */
MUST_USE void *grpc_alloc_list(struct grpc_call *call,
                               const struct ProtobufCMessageDescriptor *type, size_t count);

/* grpc_full_name is "package.Service/Method". */
const char *grpc_full_name(const struct grpc_call *call);

/* grpc_metadata finds the client's metadata of a name, in lower case; of several, the index-th.
 * Values of names that end in "-bin" come decoded.
 *
 * Returns: the value; ptr NULL when there is none, or memory is missing.
 */
struct str grpc_metadata(struct grpc_call *call, struct str name, size_t index);

/* grpc_trace is http_trace, for traceparent and tracestate are metadata too. Every call has it, and
 * its access line the ids, without an interceptor. One that keeps spans makes them in on_end, of
 * this, grpc_full_name, the status and grpc_request's task.start_ns.
 *
 * Owns: the context is the call's.
 */
const struct trace_context *grpc_trace(struct grpc_call *call);

/* grpc_add_header adds metadata that is sent before the first message; grpc_add_trailer, behind the
 * last. Values of names that end in "-bin" may be any bytes.
 *
 * Owns:    both are copied.
 * Returns: 0; UV_EINVAL for a name that is reserved or not lower-case letters, digits, "_", "-" and
 *          ".", or a value that is not printable ASCII; UV_EALREADY headers: they have been sent;
 *          UV_ENOMEM.
 */
MUST_USE int grpc_add_header(struct grpc_call *call, struct str name, struct str value);

/* grpc_add_trailer adds metadata to the trailers. Returns: as grpc_add_header. */
MUST_USE int grpc_add_trailer(struct grpc_call *call, struct str name, struct str value);

/* grpc_compress says whether messages that are sent from now on are compressed, where the client
 * takes gzip. At first it is so when the client says that its own are (grpc-encoding). The headers
 * announce it: called for the first time when they have been sent, it cannot turn compression
 * on. */
void grpc_compress(struct grpc_call *call, bool is_on);

/* grpc_is_compressed tells whether the message received last was. */
bool grpc_is_compressed(const struct grpc_call *call);

/* grpc_receive asks for the next message of a client's stream. One at a time: that is the
 * backpressure, for what is not asked for stays in the client's window.
 *
 * on_message: runs once, never from inside grpc_receive; not when the call is cancelled first.
 */
void grpc_receive(struct grpc_call *call, grpc_message_fn on_message);

/* grpc_send sends a message of the method's output type; it is serialized at once. One that cannot
 * be sent, for its size or for lack of memory, makes the call end with RESOURCE_EXHAUSTED, whatever
 * grpc_end is told: on_cancel runs at the end of the turn, for a stream may have no end of its own.
 *
 * Returns: true to go on; false when the client is slow: the message was taken, the next one waits
 *          for on_writable.
 */
MUST_USE bool grpc_send(struct grpc_call *call, const struct ProtobufCMessage *message);

/* grpc_send_headers sends the metadata now, not with the first message; harmless when done
 * twice. */
void grpc_send_headers(struct grpc_call *call);

/* grpc_on_writable says who is told when grpc_send has returned false and the client reads
 * again. */
void grpc_on_writable(struct grpc_call *call, grpc_event_fn on_writable);

/* grpc_on_cancel says what to stop when the call is cancelled before it is ended. */
void grpc_on_cancel(struct grpc_call *call, grpc_cancel_fn on_cancel);

/* grpc_on_drain is http_on_drain: it says who is told, once, that the server stops: a stream that
 * has no end of its own ends itself then, with GRPC_UNAVAILABLE. Others may go on until the drain
 * runs out of time. */
void grpc_on_drain(struct grpc_call *call, grpc_event_fn on_drain);

/* grpc_is_cancelled tells whether the call was cancelled: an answer would reach nobody. */
bool grpc_is_cancelled(const struct grpc_call *call);

/* grpc_ref makes a reference to a call for what may outlive it, of the same kind as http_ref's. */
struct task_ref grpc_ref(const struct grpc_call *call);

/* grpc_from_ref finds the call of a grpc_ref, and holds it.
 *
 * Returns: the call, to be given to grpc_release; NULL when it has ended.
 */
MUST_USE struct grpc_call *grpc_from_ref(struct task_ref ref);

/* grpc_wait is http_wait: it says what the call waits for from now on. http_unwait takes it back.
 */
struct task_ref grpc_wait(struct grpc_call *call, const char *state);

/* A grpc_resumed_fn goes on with a call, as its handler did. */
typedef void (*grpc_resumed_fn)(struct grpc_call *call, void *arg);

/* grpc_resume is http_resume: it runs go_on for a call that waits. */
bool grpc_resume(struct task_ref ref, grpc_resumed_fn go_on, void *arg);

/* grpc_release takes a hold back; the call may be gone afterwards. */
void grpc_release(struct grpc_call *call);

/* grpc_end ends the call; it is gone afterwards.
 *
 * status: its texts are borrowed until grpc_end returns; with details, which are a
 * google.rpc.Status whose code and message agree with it.
 */
void grpc_end(struct grpc_call *call, struct grpc_status status);

/* grpc_respond sends one message and ends the call with GRPC_OK. */
void grpc_respond(struct grpc_call *call, const struct ProtobufCMessage *message);

/* grpc_fail ends the call with the status that stands for an error (grpc_status_of). */
void grpc_fail(struct grpc_call *call, int error);

#endif
