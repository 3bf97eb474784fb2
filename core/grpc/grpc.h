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
 *          call waits for is cancelled, and its callbacks get UV_ECANCELED. What the handler sends
 *          after that is dropped, and the call's other callbacks do not run any more. A cancelled
 *          call that nobody holds is ended.
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

/* Bit 0: the client sends a stream; bit 1: the server does; bit 2, in a table of methods only: the
 * server's stream has no end of its own, so a client that sends FIN has left (ROUTE_LONG). */
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

/* A grpc_event_fn runs for an event of a call: see grpc_on_writable, grpc_on_drain. */
typedef void (*grpc_event_fn)(struct grpc_call *call);

/* A grpc_cancel_fn stops what was started for a call, as an http_cancel_fn does.
 *
 * status: UV_ECANCELED: the client left, a message of either side is refused, or the server stops;
 *         UV_ETIMEDOUT: the deadline passed; UV_ENOMEM: an ask of MySQL or Redis found no
 *         memory. */
typedef void (*grpc_cancel_fn)(struct grpc_call *call, int status);

/* A row of a service's table; what it leaves out is 0. */
struct grpc_method {
    const char *name; /* as in the .proto file */
    enum grpc_kind kind;
    grpc_handler_fn handler;
    /* A unary method may be a route of HTTP as well, with its messages in JSON: see
     * grpc_mount_http. For further routes its row is repeated; gRPC calls go to the first. */
    enum http_method http_method;
    const char *http_path; /* a template, a literal; its parameters are fields of the request */
};

struct grpc_service {
    const struct ProtobufCServiceDescriptor *descriptor;
    const struct grpc_method
        *methods; /* those that the descriptor has beside them are not served */
    size_t method_count;
    void *arg;     /* for its handlers */
    bool is_vital; /* served also when no memory is left for others */
};

/* Callbacks for every call: authentication, accounts, traces. Each may be NULL. */
struct grpc_interceptor {
    /* before the handler, in the order of registration. Another code than GRPC_OK refuses the call:
     * neither the handler nor a later interceptor sees it. Texts live in the call, or for ever. */
    struct grpc_status (*on_start)(struct grpc_call *call, void *arg);
    /* for each complete message; bytes: on the wire, compressed or not */
    void (*on_message)(struct grpc_call *call, bool is_sent, size_t bytes, void *arg);
    /* once for each call whose on_start ran, in the opposite order, right before its status is
     * sent */
    void (*on_end)(struct grpc_call *call, const struct grpc_status *status, void *arg);
    void *arg;
};

struct grpc_limits {
    size_t receive_bytes; /* of a message, compressed and inflated: RESOURCE_EXHAUSTED */
    size_t send_bytes;    /* of a message: RESOURCE_EXHAUSTED; 0: 4 GiB, the protocol's limit */
};

/* GRPC_TEXT makes a view of a bytes field, GRPC_BYTES a bytes field of a view. Both evaluate their
 * argument more than once: give them a variable, not a call. */
#define GRPC_TEXT(field)                                                                           \
    ((struct str){(field).len == 0 ? "" : (const char *)(field).data, (field).len})
#define GRPC_BYTES(text)                                                                           \
    ((ProtobufCBinaryData){.len = (text).len, .data = (uint8_t *)(uintptr_t)(text).ptr})

/* GRPC_SET sets a field that has presence: its value, and that it is there. */
#define GRPC_SET(message, field, value) ((message)->field = (value), (message)->has_##field = true)

/* --- serving --- */

/* grpc_create makes a server without services, and registers the metric families.
 *
 * Owns:    metrics is borrowed and outlives it.
 * Returns: 0 with *ret_grpc set; UV_ENOMEM.
 */
MUST_USE int grpc_create(const struct grpc_limits *limits, struct metrics *metrics,
                         struct grpc **ret_grpc);

/* grpc_destroy frees it; takes NULL. No call is left, and its router has been destroyed. */
void grpc_destroy(struct grpc *grpc);

/* grpc_add_interceptor appends an interceptor, before the first call; at most 8.
 *
 * Owns: interceptor is copied.
 */
void grpc_add_interceptor(struct grpc *grpc, const struct grpc_interceptor *interceptor);

/* grpc_add_service adds a service, before grpc_mount. Its metrics begin at zero.
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

/* grpc_mount_http adds a route for each method that has one. Parameters of its path are the fields
 * of their names. GET and DELETE take other fields from the query; POST, PUT and PATCH have a body,
 * application/json, which may be empty. A field is given once. The answer is 200 with the message
 * in JSON, with what grpc_add_header added; trailers are left out. An error is problem details,
 * with the status of HTTP that stands for its code (grpc_code_http) unless the grpc_status names
 * another, and the code's name. The
 * handler, the interceptors and the metrics see a call like any other; metadata are the fields of
 * the request, with grpc-timeout.
 *
 * Returns: 0; UV_ENOMEM. A route of a stream is a broken REQUIRE, as is a parameter of a path that
 *          is no scalar field.
 */
MUST_USE int grpc_mount_http(struct grpc *grpc, struct router *router);

/* grpc_service_at is the full name of the index-th service; NULL past the last. */
const char *grpc_service_at(const struct grpc *grpc, size_t index);

/* --- a call --- */

/* grpc_set_user keeps a pointer for the handler. */
void grpc_set_user(struct grpc_call *call, void *user);

/* grpc_user is the pointer of grpc_set_user; NULL at first. */
void *grpc_user(const struct grpc_call *call);

/* grpc_arg is the service's arg, as its handlers get it. */
void *grpc_arg(const struct grpc_call *call);

/* grpc_message is the one request, as the handler got it; NULL when the client sends a stream. */
const struct ProtobufCMessage *grpc_message(const struct grpc_call *call);

/* grpc_request is the HTTP request that carries the call: its task, peer and fields. */
struct http_request *grpc_request(struct grpc_call *call);

/* grpc_alloc allocates memory that lives as long as the call, aligned for any type, not zeroed.
 *
 * Returns: the memory; NULL when the call's maximum is reached or memory is missing.
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

/* grpc_metadata finds the index-th value of the client's metadata with a name. Values of names that
 * end in "-bin" are decoded.
 *
 * name:    in lower case.
 * Returns: the value; ptr NULL when there is none, or memory is missing.
 */
struct str grpc_metadata(struct grpc_call *call, struct str name, size_t index);

/* grpc_trace is http_trace: traceparent and tracestate are metadata, too. The ids are in the access
 * line of every call. An interceptor that keeps spans makes them in on_end from this,
 * grpc_full_name, the status and grpc_request's task.start_ns.
 *
 * Owns: the context is the call's.
 */
const struct trace_context *grpc_trace(struct grpc_call *call);

/* grpc_add_header adds metadata that is sent before the first message. Values of names that end in
 * "-bin" may be any bytes.
 *
 * Owns:    name and value are copied.
 * Returns: 0; UV_EINVAL: the name is reserved, or not lower-case letters, digits, "_", "-" and ".",
 *          or the value is not printable ASCII; UV_EALREADY: the headers have been sent; UV_ENOMEM.
 */
MUST_USE int grpc_add_header(struct grpc_call *call, struct str name, struct str value);

/* grpc_add_trailer adds metadata that is sent after the last message.
 *
 * Owns:    as grpc_add_header.
 * Returns: 0; UV_EINVAL, UV_ENOMEM: as grpc_add_header.
 */
MUST_USE int grpc_add_trailer(struct grpc_call *call, struct str name, struct str value);

/* grpc_compress sets whether messages that are sent from now on are compressed, if the client
 * accepts gzip. By default they are when the client's own are (grpc-encoding). The headers announce
 * it: if they have been sent without, compression cannot be turned on any more. */
void grpc_compress(struct grpc_call *call, bool is_on);

/* grpc_is_compressed tells whether the message received last was compressed. */
bool grpc_is_compressed(const struct grpc_call *call);

/* grpc_receive asks for the next message of a client's stream; a second call before on_message has
 * run is a broken REQUIRE. That is the backpressure: messages that are not asked for stay in the
 * client's window.
 *
 * on_message: runs once, never from inside grpc_receive; not when the call is cancelled first.
 */
void grpc_receive(struct grpc_call *call, grpc_message_fn on_message);

/* grpc_send sends a message of the method's output type; it is serialized at once. A message that
 * cannot be sent, for its size or for lack of memory, makes the call end with RESOURCE_EXHAUSTED,
 * whatever status grpc_end gets: on_cancel runs at the end of the turn, since a stream may have no
 * end of its own. A call over HTTP has one answer, by grpc_respond: this is a broken REQUIRE there.
 *
 * Returns: true to go on, also when the message is dropped; false when the client is slow: the
 *          message was taken, the next one waits for on_writable.
 */
MUST_USE bool grpc_send(struct grpc_call *call, const struct ProtobufCMessage *message);

/* grpc_send_headers sends the metadata now instead of with the first message; harmless when it has
 * been sent, and over HTTP, where all goes at once. */
void grpc_send_headers(struct grpc_call *call);

/* grpc_on_writable registers the callback that runs when grpc_send has returned false and the
 * client reads again. */
void grpc_on_writable(struct grpc_call *call, grpc_event_fn on_writable);

/* grpc_on_cancel registers the callback that runs when the call is cancelled before its end. */
void grpc_on_cancel(struct grpc_call *call, grpc_cancel_fn on_cancel);

/* grpc_on_drain is http_on_drain: on_drain runs once when the server stops, so that a stream
 * without an end of its own ends itself, with GRPC_UNAVAILABLE. Other calls may go on until the
 * drain runs out of time. */
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

/* grpc_wait is http_wait: it declares what the call waits for. http_unwait takes it back. */
struct task_ref grpc_wait(struct grpc_call *call, const char *state);

/* A grpc_resumed_fn goes on with a call, as its handler did. */
typedef void (*grpc_resumed_fn)(struct grpc_call *call, void *arg);

/* grpc_resume is http_resume: it runs go_on for a call that waits. Returns: as http_resume. */
bool grpc_resume(struct task_ref ref, grpc_resumed_fn go_on, void *arg);

/* grpc_release takes a hold back; the call may be gone afterwards. */
void grpc_release(struct grpc_call *call);

/* grpc_end ends the call; it may be gone afterwards.
 *
 * status: its texts are borrowed until grpc_end returns. Its details, if any, are a
 *         google.rpc.Status with the same code and message. A code that gRPC does not have is
 *         UNKNOWN.
 */
void grpc_end(struct grpc_call *call, struct grpc_status status);

/* grpc_respond sends one message of the method's output type and ends the call with GRPC_OK; with
 * RESOURCE_EXHAUSTED when the message cannot be sent, as grpc_send has it. */
void grpc_respond(struct grpc_call *call, const struct ProtobufCMessage *message);

/* grpc_fail ends the call with the status of an error (grpc_status_of); INTERNAL is logged.
 *
 * error: a negative UV_*.
 */
void grpc_fail(struct grpc_call *call, int error);

#endif
