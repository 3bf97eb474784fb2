/* SPDX-License-Identifier: MIT
 *
 * grpc_internal.h - the structs of the gRPC server and its calls. Private to grpc*.c.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_GRPC_GRPC_INTERNAL_H
#define TOQ_CORE_GRPC_GRPC_INTERNAL_H

#include <protobuf-c/protobuf-c.h>

#include "core/grpc/grpc.h"
#include "core/grpc/grpc_codec.h"
#include "core/grpc/grpc_frame.h"
#include "core/grpc/grpc_gzip.h"
#include "core/grpc/grpc_metrics.h"
#include "core/http/server.h"

#define GRPC_INTERCEPTORS_MAX 8
#define GRPC_PURGE_BYTES      (4u << 20) /* after a message that took more, free pages go back */

/* The status of a call whose message cannot be sent. */
#define GRPC_SEND_FAILED                                                                           \
    ((struct grpc_status){GRPC_RESOURCE_EXHAUSTED, STR("the answer cannot be sent"), NULL, 503})

/* A method that is served, or the entry for all that are not. */
struct grpc_entry {
    struct grpc *grpc;
    char *path;       /* "/package.Service/Method", owned; NULL: of the entry for others */
    const char *name; /* the path without its first "/" */
    enum grpc_kind kind;
    bool is_long;
    grpc_handler_fn handler;
    void *arg;
    const ProtobufCMessageDescriptor *input;
    const ProtobufCMessageDescriptor *output;
    uint32_t label;
    struct grpc_series series;
    enum http_method http_method;                                 /* of its route over HTTP */
    const char *http_path;                                        /* NULL: it has none */
    const ProtobufCFieldDescriptor *path_fields[HTTP_PARAMS_MAX]; /* of http_path's parameters */
};

/* How the bytes of a call travel. */
struct grpc_wire {
    /* pack serializes a message that is to be sent.
     *
     * Returns: 0 with *ret_bytes set, valid until the next one; UV_EMSGSIZE; UV_ENOMEM. */
    int (*pack)(struct grpc_call *call, const ProtobufCMessage *message, struct str *ret_bytes);
    /* send_status sends the status, with a message in front of it unless that is empty, and ends
     * the HTTP request.
     *
     * is_leaving: the handler is still to end the request: http_stream_leave. */
    void (*send_status)(struct grpc_call *call, const struct grpc_status *status, struct str body,
                        bool is_leaving);
    size_t prefix_bytes; /* of a packed message, that are not the message's own */
};

struct grpc_mounted {
    struct grpc_mounted *next;
    const char *name; /* the service's, borrowed */
    bool is_vital;
    size_t entry_count;
    struct grpc_entry entries[];
};

struct grpc {
    struct grpc_limits limits;
    struct grpc_metrics metrics;
    struct grpc_mounted *first; /* owned, in the order of mounting */
    struct grpc_entry other;
    struct grpc_interceptor interceptors[GRPC_INTERCEPTORS_MAX];
    size_t interceptor_count;
    struct list calls;
    struct grpc_gzip *gzip;
    struct buf packed;   /* the message that is being sent, with its prefix */
    struct buf deflated; /* ... compressed */
    struct buf inflated; /* the message that is being received, inflated */
};

/* Header fields that grow in the arena. There is always room for GRPC_OWN_FIELDS more. */
#define GRPC_OWN_FIELDS 4

struct grpc_fields {
    struct http_header *list;
    size_t count;
    size_t cap;
};

/* The life of a call, in grpc_call.c. Its memory is its request's. */
enum grpc_life {
    CALL_ARRIVING,  /* its one request comes; no handler has it */
    CALL_RUNNING,   /* a handler has it */
    CALL_CANCELLED, /* what the handler sends is dropped, until it ends the call */
    CALL_ENDED,
};

struct grpc_call {
    struct list link; /* in grpc->calls */
    enum grpc_life life;
    struct http_request *req;
    struct grpc *grpc;
    struct grpc_entry *entry;
    const struct grpc_wire *wire;
    void *user;
    grpc_message_fn on_message;
    grpc_event_fn on_writable;
    grpc_event_fn on_drain;
    grpc_cancel_fn on_cancel;
    struct loop_deferred resume; /* goes on with `held`, or ends the call after a failed send */
    struct grpc_reader reader;
    struct grpc_frame frame; /* the one request, as received, until the handler is about to run */
    struct arena messages;   /* the message that the handler has */
    struct buf held;         /* bytes received before the handler asked for them */
    size_t held_from;        /* bytes before this are used */
    ProtobufCMessage *request;
    struct grpc_fields headers;
    struct grpc_fields trailers;
    struct grpc_status cancel_status; /* what the call was cancelled with */
    uint8_t started_count;            /* interceptors whose on_start ran */
    bool has_frame;
    bool is_input_ended;
    bool is_feeding; /* inside feed, which goes on with the next message by itself */
    bool is_send_failed;
    bool is_answer_too_long; /* ... for GRPC_MAX_SEND_BYTES */
    bool is_timed;           /* the client set a deadline */
    bool is_inflating;       /* grpc-encoding is gzip */
    bool is_gzip_taken;      /* the client accepts gzip */
    bool has_accept_field;   /* the client sent grpc-accept-encoding */
    bool is_compressing;
    bool was_compression_chosen; /* by grpc_compress */
    bool was_compressed;         /* the message received last */
    bool is_message_huge;        /* unpacking took so much that freed pages go back at once */
};

/* --- grpc_services.c --- */

/* grpc_services_free frees the services of a server. */
void grpc_services_free(struct grpc *grpc);

/* --- grpc_check.c --- */

/* The HTTP status and the gRPC status that a request is refused with. */
struct grpc_refusal {
    int http; /* 0: it is not refused */
    struct grpc_status status;
};

/* grpc_check reads the fields of a request into the call, and checks them in the order of grpc-go.
 *
 * ret_timeout_ns: the time of grpc-timeout; UINT64_MAX when there is none.
 */
struct grpc_refusal grpc_check(struct grpc_call *call, uint64_t *ret_timeout_ns);

/* --- grpc_misuse.c --- */

/* grpc_may_call tells whether a function that a handler calls takes effect. For a cancelled call it
 * does not; for one that has ended it is misuse.
 *
 * name: of the function, a literal. */
bool grpc_may_call(struct grpc_call *call, const char *name);

/* --- grpc_call.c --- */

/* grpc_call_begin is the handler of every route of gRPC; arg is a grpc_entry. */
void grpc_call_begin(struct http_request *req, void *arg);

/* grpc_call_create makes the call of a request.
 *
 * Returns: NULL when memory is missing; the request is as it was.
 */
MUST_USE struct grpc_call *grpc_call_create(struct http_request *req, struct grpc_entry *entry,
                                            const struct grpc_wire *wire);

/* grpc_call_start starts a call that is not refused: its deadline, and the interceptors.
 *
 * timeout_ns: the client's; UINT64_MAX when there is none.
 * Returns:    false when an interceptor has refused the call, which is gone.
 */
MUST_USE bool grpc_call_start(struct grpc_call *call, uint64_t timeout_ns);

/* grpc_call_run gives the call to its handler. */
void grpc_call_run(struct grpc_call *call);

/* grpc_call_break ends a call for a message that cannot be received or sent. If a handler has the
 * call, the status is sent now, on_cancel runs, and the handler still ends the call.
 *
 * status: its texts live for ever. */
void grpc_call_break(struct grpc_call *call, struct grpc_status status);

/* --- grpc_receive.c --- */

/* grpc_receive_init prepares the call to receive. */
void grpc_receive_init(struct grpc_call *call);

/* grpc_message_arena is where a message is made that is so long as it was received. */
struct arena *grpc_message_arena(struct grpc_call *call, size_t len);

/* grpc_count_received counts a message that came in so many bytes. */
void grpc_count_received(struct grpc_call *call, size_t bytes);

/* grpc_receive_body takes a piece of the request's body. */
void grpc_receive_body(struct http_request *req, struct str data, bool is_end);

/* --- grpc_send.c --- */

/* grpc_note_status notes how a call ends, for the observers of its request. */
static inline void grpc_note_status(struct http_request *req, enum grpc_code code)
{
    req->rpc_status = grpc_code_name(code);
    req->is_rpc_fault = grpc_code_is_fault(code);
}

/* grpc_framed is gRPC's own: protobuf with a prefix, and trailers. */
extern const struct grpc_wire grpc_framed;

/* grpc_put adds a field, for which there is room. */
static inline void grpc_put(struct grpc_fields *fields, struct str name, struct str value)
{
    fields->list[fields->count++] = (struct http_header){name, value};
}

/* grpc_with_room makes a list that has room for GRPC_OWN_FIELDS more, where a handler has added
 * none.
 *
 * own: GRPC_OWN_FIELDS. */
static inline struct grpc_fields grpc_with_room(const struct grpc_fields *fields,
                                                struct http_header *own)
{
    if (fields->list != NULL) {
        return *fields;
    }
    return (struct grpc_fields){.list = own, .cap = GRPC_OWN_FIELDS};
}

/* grpc_max_sent is how long a message may be that is sent. */
size_t grpc_max_sent(const struct grpc_call *call);

/* grpc_restart empties a buffer for the next message, and frees the memory of a big one. */
void grpc_restart(struct buf *b);

/* grpc_refuse_head is a route_refuse_fn that also sends a gRPC status, so that clients do not guess
 * one from the HTTP status. */
void grpc_refuse_head(struct http_request *req, int status, const char *detail);

/* grpc_send_refusal ends a request that grpc_check has refused. */
void grpc_send_refusal(struct grpc_call *call, const struct grpc_refusal *refusal);

/* grpc_count_sent counts a message that was packed into so many bytes. */
void grpc_count_sent(struct grpc_call *call, size_t bytes);

/* --- grpc_route.c --- */

/* grpc_route_prepare finds the fields that the parameters of an entry's http_path give. */
void grpc_route_prepare(struct grpc_entry *entry);

/* grpc_route_flags is the enum route_flags of an entry's route over HTTP. */
unsigned grpc_route_flags(const struct grpc_entry *entry);

/* grpc_route_begin is the handler of a method's route over HTTP; arg is a grpc_entry. */
void grpc_route_begin(struct http_request *req, void *arg);

#endif
