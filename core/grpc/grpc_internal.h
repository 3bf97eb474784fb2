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

/* How a call ends whose message cannot be sent. */
#define GRPC_SEND_FAILED GRPC_STATUS(GRPC_RESOURCE_EXHAUSTED, "the answer cannot be sent")

/* A method that is served, or the one that stands for all that are not. */
struct grpc_entry {
    struct grpc *grpc;
    char *path;       /* "/package.Service/Method", owned; NULL: it stands for others */
    const char *name; /* the path without its first "/" */
    enum grpc_kind kind;
    bool is_long;
    grpc_handler_fn handler;
    void *arg;
    const ProtobufCMessageDescriptor *input;
    const ProtobufCMessageDescriptor *output;
    uint32_t label;
    struct grpc_series series;
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
    struct buf packed;   /* the message that is being sent, with room for its prefix */
    struct buf deflated; /* ... and how it goes out when it is compressed */
    struct buf inflated; /* the message that is being received */
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
    CALL_CANCELLED, /* what the handler sends is dropped; it is still to end the call */
    CALL_ENDED,
};

struct grpc_call {
    struct list link; /* in grpc->calls */
    enum grpc_life life;
    struct http_request *req;
    struct grpc *grpc;
    struct grpc_entry *entry;
    void *user;
    grpc_message_fn on_message;
    grpc_event_fn on_writable;
    grpc_event_fn on_drain;
    grpc_cancel_fn on_cancel;
    struct loop_deferred resume; /* goes on with what is held */
    struct grpc_reader reader;
    struct grpc_frame frame; /* the one message, as it came, until the handler is about to run */
    struct arena messages;   /* the message that the handler has */
    struct buf held;         /* has come, and is not asked for yet */
    size_t held_from;        /* what is before is used */
    ProtobufCMessage *request;
    struct grpc_fields headers;
    struct grpc_fields trailers;
    struct grpc_status cancel_status; /* what the call was cancelled with */
    uint8_t started_count;            /* interceptors whose on_start ran */
    bool has_frame;
    bool is_input_ended;
    bool is_feeding; /* what has come is being taken: the next message needs nobody to ask for it */
    bool is_send_failed;
    bool is_timed;         /* by the client */
    bool is_inflating;     /* grpc-encoding says gzip */
    bool is_gzip_taken;    /* by the client */
    bool has_accept_field; /* it says what it takes */
    bool is_compressing;
    bool was_compression_chosen;
    bool was_compressed;  /* the last message */
    bool is_message_huge; /* unpacking it took so much that its pages are not kept */
};

/* --- grpc_services.c --- */

/* grpc_services_free frees the services of a server. */
void grpc_services_free(struct grpc *grpc);

/* --- grpc_check.c --- */

/* What a request is refused with: `http` as its HTTP status, and a gRPC status. */
struct grpc_refusal {
    int http; /* 0: it is not refused */
    struct grpc_status status;
};

/* grpc_check reads the fields of a request into the call, in the order in which they may refuse it.
 *
 * *ret_timeout_ns: what grpc-timeout says; UINT64_MAX when there is none.
 */
struct grpc_refusal grpc_check(struct grpc_call *call, uint64_t *ret_timeout_ns);

/* --- grpc_misuse.c --- */

/* grpc_may_call tells whether what a handler does goes on: not for a call that is cancelled; for
 * one that has ended it is misuse.
 *
 * name: of the function, a literal. */
bool grpc_may_call(struct grpc_call *call, const char *name);

/* --- grpc_call.c --- */

/* grpc_call_begin is the handler of every route; arg is a grpc_entry. */
void grpc_call_begin(struct http_request *req, void *arg);

/* grpc_call_run gives the call to its handler. */
void grpc_call_run(struct grpc_call *call);

/* grpc_call_break ends a call for a message that cannot be taken or sent; a handler that has it is
 * told, for it may wait for something else meanwhile, and the call is gone once that has ended it.
 *
 * status: its texts live for ever. */
void grpc_call_break(struct grpc_call *call, struct grpc_status status);

/* --- grpc_receive.c --- */

/* grpc_receive_init prepares the call for what comes in. */
void grpc_receive_init(struct grpc_call *call);

/* grpc_receive_body takes a piece of the request's body. */
void grpc_receive_body(struct http_request *req, struct str data, bool is_end);

/* --- grpc_send.c --- */

/* grpc_send_status sends the trailers, with the headers when they have not been sent, and ends the
 * HTTP request; or leaves it, for its handler to end. body: the message that goes before, with its
 * prefix; empty for none. */
void grpc_send_status(struct grpc_call *call, const struct grpc_status *status, struct str body,
                      bool is_leaving);

/* grpc_refuse_head answers a request whose head cannot be taken: a route_refuse_fn. Clients of gRPC
 * show its status, and not one that they guess from HTTP's. */
void grpc_refuse_head(struct http_request *req, int status, const char *detail);

/* grpc_send_refusal ends a request that is no call, or not a whole one. */
void grpc_send_refusal(struct grpc_call *call, const struct grpc_refusal *refusal);

/* grpc_pack serializes a message, with its prefix, compressed where that was chosen.
 *
 * Returns: 0 with *ret_bytes set, valid until the next one; UV_EMSGSIZE; UV_ENOMEM.
 */
MUST_USE int grpc_pack(struct grpc_call *call, const ProtobufCMessage *message,
                       struct str *ret_bytes);

/* grpc_count_sent counts a message that was packed into so many bytes. */
void grpc_count_sent(struct grpc_call *call, size_t bytes);

#endif
