/* SPDX-License-Identifier: MIT
 *
 * http.h - what a handler sees: a request and the ways to answer it, whatever protocol carries it.
 *
 * Flow:    http_request_dispatch -> handler -> http_respond, or http_stream_start, _write ...,
 *          _end; now or later; a ROUTE_STREAM handler runs before the body and gets it by
 *          http_on_body.
 * Failure: the peer may leave and a deadline may pass before the answer: on_cancel runs once, then
 *          what the request waits for is cancelled, and its callbacks get UV_ECANCELED. What the
 *          handler sends after that is dropped. A cancelled request that nobody holds is ended.
 * Memory:  everything a request points at lives in its arena. A handler ends its request exactly
 *          once, unless it was cancelled. The pointer is valid until the callback that got it
 *          returns, and until the request has ended; what outlives both keeps a reference
 *          (http_ref), or holds the request (http_hold) as every pending query of it does.
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_HTTP_HTTP_H
#define TOQ_CORE_HTTP_HTTP_H

#include "core/base/arena.h"
#include "core/loop/loop.h"
#include "core/task/task.h"

#define HTTP_PARAMS_MAX           8
#define HTTP_QUERY_PARAMETERS_MAX 64

enum http_method {
    METHOD_OTHER, /* one that toq has no routes for */
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_COUNT
};

struct http_header {
    struct str name;
    struct str value;
};

/* Fields that answers of several rooms have: of one that may go well a second later, and of a 401
 * that wants a token of API_TOKENS. */
extern const struct http_header http_retry_after_1_s;
extern const struct http_header http_bearer_challenge;

struct http_request;
struct http_server;
struct http_transport;
struct route;

/* An answer. Texts are borrowed until the call that takes the struct returns. */
struct http_response {
    int status;               /* 200 to 599 */
    const char *content_type; /* NULL: no body and no Content-Type */
    struct str body;          /* http_respond only */
    const struct http_header
        *headers; /* more fields; what http_field_check refuses is left out and logged */
    size_t header_count;
    /* ROUTE_STREAM only: */
    const struct http_header *trailers; /* behind the body, checked too; http_respond only */
    size_t trailer_count;
    bool is_bare; /* no field but those named here: no Date, no Content-Length */
};

/* An http_cancel_fn stops what was started for a request.
 *
 * status: UV_ECANCELED: the peer left, or the server stops; UV_ETIMEDOUT: the deadline passed;
 *         UV_ENOMEM: an ask of MySQL or Redis found no memory. */
typedef void (*http_cancel_fn)(struct http_request *req, int status);

/* An http_writable_fn goes on writing: the peer reads again. */
typedef void (*http_writable_fn)(struct http_request *req);

/* An http_drain_fn ends a stream that has no end of its own: the server stops. */
typedef void (*http_drain_fn)(struct http_request *req);

/* An http_body_fn takes a piece of the body of a ROUTE_STREAM request.
 *
 * data: borrowed until it returns; may be empty when is_end. is_end: nothing follows. */
typedef void (*http_body_fn)(struct http_request *req, struct str data, bool is_end);

/* Why a request is broken off: the codes of HTTP/2 (RFC 9113 7). */
enum http_reset {
    HTTP_RESET_NONE = 0,
    HTTP_RESET_INTERNAL = 2, /* what was sent must not be used */
    HTTP_RESET_REFUSED = 7,  /* nothing was done: the request may be sent again */
    HTTP_RESET_CANCEL = 8,   /* nobody needs the answer any more */
};

/* The life of a request. Its transitions are in request.c's set_life. */
enum http_life {
    HTTP_SPARE,      /* memory without a request */
    HTTP_ARRIVING,   /* its head or body comes; no handler has it */
    HTTP_OPEN,       /* a handler has it and has sent nothing */
    HTTP_STREAMING,  /* http_stream_start was called */
    HTTP_CANCELLED,  /* the peer has left or got its answer: what the handler sends is dropped */
    HTTP_ENDED,      /* its handler has ended it; the memory goes when nobody holds it */
    HTTP_ENDED_LATE, /* ... after it was cancelled */
};

/* Whether a request is sampled, where spans are exported. */
enum http_sampling { HTTP_SAMPLING_OPEN, HTTP_UNSAMPLED, HTTP_SAMPLED };

struct http_request {
    struct task task;
    enum http_life life;
    struct http_server *server;
    const struct http_transport *transport;
    struct route *route;
    unsigned allow; /* router_match's */
    enum http_method method;
    uint8_t version_minor;   /* of HTTP/1 */
    uint8_t transport_holds; /* of task.holds: the protocol's own, which resume nothing */
    uint8_t peer_waits;      /* enum http_peer_wait: what of the peer is awaited */
    bool is_forgotten;       /* reported by core/http/forgotten.h */
    uint8_t sampling;        /* enum http_sampling */
    bool is_root;            /* it was looked for: the request has no traceparent */
    bool is_long;            /* ROUTE_LONG's, or http_be_long's */
    bool is_rpc_fault;       /* rpc_status is one of the server's own faults */
    struct str target;       /* as received, for logs */
    struct str host;         /* the target's authority, else the Host field; ptr NULL: neither */
    struct str path;         /* before '?', not decoded */
    struct str query;        /* behind '?', not decoded */
    struct str parameters; /* of the query, decoded: names and values in turn, a NUL behind each */
    struct http_header *headers;
    size_t header_count;
    struct str params[HTTP_PARAMS_MAX]; /* decoded, in the order of the template */
    struct str body;
    struct arena arena;
    struct trace_context trace; /* http_trace's */
    struct wheel_timer deadline;
    int status;                           /* that was sent */
    const char *rpc_status;               /* how a gRPC call ended, a literal; NULL: it is none */
    struct metric_histogram *cpu_seconds; /* of its method of gRPC; NULL: it is none */
    struct metric_histogram *rpc_seconds; /* of its method and status, when it has ended */
    uint64_t sent_body_bytes;
    uint64_t streamed_bytes; /* of a ROUTE_STREAM body, that came so far */
    uint32_t
        reset_code; /* the peer's reason, when on_cancel says UV_ECANCELED: http_reset or more */
    uint32_t wait_count;      /* of http_wait, which http_resume has not answered */
    const char *waited;       /* http_wait's state */
    void *user;               /* the handler's */
    http_cancel_fn on_cancel; /* the handler's; http_on_cancel */
    http_writable_fn on_writable;
    http_body_fn on_body;                         /* the handler's; http_on_body */
    http_drain_fn on_drain;                       /* the handler's; http_on_drain */
    void (*end_unheld)(struct http_request *req); /* how a layer above ends it: gRPC; or NULL */
    /* how a layer above words the answer in case the server cancels it: gRPC; or NULL */
    void (*word_cancel)(struct http_request *req, int status, struct http_response *response);
    struct http_request *next_spare; /* in its http_pool */
};

/* http_header_get finds a request field, its name compared without case.
 *
 * Returns: the first one's value; an empty view with ptr NULL when there is none.
 */
struct str http_header_get(const struct http_request *req, struct str name);

/* http_header_join finds all fields of a name, for those whose value is a list: a list may come in
 * several fields.
 *
 * Returns: 0 with *ret_value set to their values with commas between them, in the arena, or to an
 *          empty view with ptr NULL when there is none; UV_ENOMEM.
 * Source:  RFC 9110 5.3.
 */
MUST_USE int http_header_join(struct http_request *req, struct str name, struct str *ret_value);

/* http_query_get finds a query parameter. Names and values are decoded, '+' as a space; one with a
 * bad escape stays as it is. All were decoded when the request was routed, so none is missed for
 * want of memory.
 *
 * Returns: true with *ret_value set to the first one's value, in the arena; false when there is
 *          none.
 */
MUST_USE bool http_query_get(const struct http_request *req, struct str name,
                             struct str *ret_value);

/* http_query_next takes the next parameter from the rest of them, which begins as req->parameters.
 * Decoded as http_query_get has it.
 *
 * Returns: true with *ret_name and *ret_value set, in the arena; false at the end.
 */
MUST_USE bool http_query_next(struct str *rest, struct str *ret_name, struct str *ret_value);

/* http_query_has_twice tells whether a parameter is given twice, or whether there are more than
 * HTTP_QUERY_PARAMETERS_MAX. */
bool http_query_has_twice(const struct http_request *req);

/* http_trace is the trace that the request belongs to, and the span that serves it: the caller's
 * trace where its traceparent is well-formed, else a new one. The first call begins the span, and
 * later calls return the same one; a request that is neither logged nor traced is never asked, and
 * costs nothing.
 *
 * Owns: the context is the request's, and lives as long.
 */
const struct trace_context *http_trace(struct http_request *req);

/* http_baggage is the caller's baggage, to be passed on to the servers that the handler calls.
 *
 * Returns: ptr NULL when there is none, it is malformed, or memory is missing.
 */
struct str http_baggage(struct http_request *req);

/* http_may_send tells whether there is memory to queue `len` bytes of an answer at once. */
bool http_may_send(struct http_request *req, size_t len);

/* http_respond_text ends the request with text formatted as by printf; else as http_respond. */
void http_respond_text(struct http_request *req, int status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* http_respond_json ends the request with JSON; else as http_respond. */
void http_respond_json(struct http_request *req, int status, struct str json);

/* http_respond ends the request with a whole answer; the body is copied. When memory does not
 * suffice for that, the answer is 503; when the status is not 200 to 599, which is misuse, it is
 * 500. */
void http_respond(struct http_request *req, const struct http_response *response);

/* http_respond_error ends the request with a text/plain body: "404 Not Found: detail\n"; 503 has
 * Retry-After.
 *
 * detail: NULL for none; the body is cut after 511 bytes.
 */
void http_respond_error(struct http_request *req, int status, const char *detail);

/* http_respond_unmatched is the handler of requests that no route matches: it answers 404, 405 with
 * Allow, 501, or OPTIONS with 204. arg: NULL. */
void http_respond_unmatched(struct http_request *req, void *arg);

/* http_fail ends the request as http_respond_error, with the status of an error: 403 for UV_EACCES,
 * 404 for UV_ENOENT, 409 for UV_EEXIST and UV_EAGAIN, 503 for a full queue and for a server behind
 * this one that is away, slow or busy ... An error without a status of its own is 500, and is
 * logged.
 *
 * error: a negative UV_*.
 */
void http_fail(struct http_request *req, int error);

/* http_stream_start sends status and fields; the body follows in pieces.
 *
 * on_writable: runs when http_stream_write has returned false and the peer reads again; may be
 * NULL.
 */
void http_stream_start(struct http_request *req, const struct http_response *response,
                       http_writable_fn on_writable);

/* http_stream_write sends one piece of the body; it is copied.
 *
 * Returns: true to go on, also when the piece is dropped because the request was cancelled; false
 *          when the peer is slow: the piece was taken, the next one waits for on_writable.
 */
MUST_USE bool http_stream_write(struct http_request *req, struct str data);

/* http_stream_end ends the body and the request. */
void http_stream_end(struct http_request *req);

/* http_stream_end_with ends the body with trailer fields, and the request. ROUTE_STREAM only.
 *
 * trailers: copied; names in lower case.
 */
void http_stream_end_with(struct http_request *req, const struct http_header *trailers,
                          size_t count);

/* http_stream_leave ends the body with trailer fields, but not the request: its handler still ends
 * it, what the handler sends meanwhile is dropped, and on_cancel does not run. ROUTE_STREAM only.
 *
 * trailers: as http_stream_end_with.
 */
void http_stream_leave(struct http_request *req, const struct http_header *trailers, size_t count);

/* http_reset breaks the answer off, begun or not, and ends the request. ROUTE_STREAM only. */
void http_reset(struct http_request *req, enum http_reset code);

/* http_on_body registers the callback that takes the body of a ROUTE_STREAM request, piece by piece
 * as it arrives.
 *
 * Called by the handler before it returns; without it the body is dropped. on_body never runs
 * inside it, nor after the request has ended or been cancelled. The handler reports every byte that
 * on_body got to http_body_consume once it is used: until then the peer's window for this request
 * is smaller by it, so the handler never holds more than http_limits' http2.stream_window_bytes.
 */
void http_on_body(struct http_request *req, http_body_fn on_body);

/* http_body_consume lets the peer send `len` more bytes of the body: that many of those that
 * on_body got are used. What is left when the request ends is consumed then. */
void http_body_consume(struct http_request *req, size_t len);

/* http_on_cancel registers the callback that runs when the request is cancelled before it is
 * answered. Asks of MySQL and Redis and work on threads are cancelled without it. on_cancel may end
 * the request, but need not: the request ends when nobody holds it any more, perhaps as soon as
 * on_cancel returns.
 *
 * In a ROUTE_STREAM request that a deadline or a drain cancels, on_cancel may still end the answer
 * as it likes, with trailers for example; if it does not, the answer is broken off when it
 * returns. */
void http_on_cancel(struct http_request *req, http_cancel_fn on_cancel);

/* http_on_drain registers the callback that runs once when the server stops, so that a stream
 * without an end of its own ends itself. Other requests may go on until the drain runs out of time.
 *
 * on_drain: never runs inside another callback of the handler; runs soon when the server stops
 *           already. NULL: none.
 */
void http_on_drain(struct http_request *req, http_drain_fn on_drain);

/* http_be_long treats a request as one of a ROUTE_LONG route, where that depends on its parameters.
 * Called before the handler returns. */
void http_be_long(struct http_request *req);

/* http_is_cancelled tells whether the request was cancelled: an answer would reach nobody. */
bool http_is_cancelled(const struct http_request *req);

/* http_ref makes a reference to a request for what may outlive it: timers, jobs, other servers'
 * answers. It may be kept for ever. */
struct task_ref http_ref(const struct http_request *req);

/* http_from_ref finds the request of a reference, and holds it.
 *
 * Returns: the request, to be given to http_release; NULL when it has ended.
 */
MUST_USE struct http_request *http_from_ref(struct task_ref ref);

/* http_wait declares what the request waits for from now on, for waits that the handler arranges
 * itself: a timer, a message. It shows in profiles and dumps, with the stack of the caller. A
 * handler that returns without an answer and without http_wait waits in the state "waiting", and
 * its request is leaked (core/http/forgotten.h) unless something else is pending for it. Each
 * http_wait is for one http_resume: for an event that recurs, call it again.
 *
 * state:   a literal.
 * Returns: the reference to give to http_resume.
 */
struct task_ref http_wait(struct http_request *req, const char *state);

/* http_unwait takes an http_wait back when its http_resume will not come: the timer was stopped,
 * for example. Harmless when the request has ended, or was cancelled. */
void http_unwait(struct task_ref ref);

/* An http_resumed_fn goes on with a request, as its handler did. */
typedef void (*http_resumed_fn)(struct http_request *req, void *arg);

/* http_resume runs go_on for a request that waits, as one of its callbacks: the request is held,
 * and current for profiles and logs.
 *
 * Returns: true; false when the request has ended or was cancelled, and go_on did not run.
 */
bool http_resume(struct task_ref ref, http_resumed_fn go_on, void *arg);

/* http_hold keeps a request's memory until http_release, even after the request has ended: what its
 * handler sends then is detected and dropped. */
void http_hold(struct http_request *req);

/* http_release takes a hold back; the request may be gone afterwards. */
void http_release(struct http_request *req);

/* http_decode decodes percent escapes once into the arena.
 *
 * is_plus_space: '+' means a space, as in queries.
 * Returns: 0 with *ret_decoded set (`s` itself when there is nothing to decode); UV_EINVAL for a
 * bad escape or %00; UV_ENOMEM.
 */
MUST_USE int http_decode(struct arena *arena, struct str s, bool is_plus_space,
                         struct str *ret_decoded);

/* http_is_safe tells whether a text may stand in a field: it has no control byte. */
bool http_is_safe(struct str s);

/* http_is_host tells whether a text may be a Host field or an authority. */
bool http_is_host(struct str host);

/* http_method_name is the method's name, "_OTHER" for one we do not know. */
const char *http_method_name(enum http_method method);

/* http_status_reason is the reason phrase of a status, "Unknown" for one we do not send. */
const char *http_status_reason(int status);

/* http_status_has_body tells whether an answer with a status may have a body.
 *
 * Source: RFC 9110 6.4.1.
 */
bool http_status_has_body(int status);

#endif
