/* SPDX-License-Identifier: MIT
 *
 * server.h - one HTTP listener as requests and protocols see it: its router, limits and metrics.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_SERVER_H
#define TOQ_CORE_HTTP_SERVER_H

#include "core/http/http_metrics.h"
#include "core/http/observer.h"
#include "core/loop/budget.h"
#include "core/loop/listener.h"
#include "core/telemetry/log.h"

/* When the server drains, an idle connection that was used within this time may send one more
 * request until it is over: the request may be on its way already, and closing would lose it. */
#define HTTP_DRAIN_IDLE_MS 1000
/* ... but not on the listeners of diagnostics, which are the last to drain. */
#define HTTP_DRAIN_DIAGNOSTICS_MS 1

/* Spare requests that a pool keeps; none under a sanitizer, so that it sees a use after free. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HTTP_SPARE_MAX 0
#else
#define HTTP_SPARE_MAX 256
#endif

/* PINGs, and how long a connection of HTTP/2 may live. 0 turns each off. */
struct http2_keepalive_limits {
    uint64_t time_ms;          /* without a byte from the peer, after which it gets a PING ... */
    uint64_t timeout_ms;       /* ... and has this long to send anything */
    uint64_t min_time_ms;      /* between PINGs of the peer; ENHANCE_YOUR_CALM after two strikes */
    bool may_ping_idle;        /* the peer, as often without a stream as with one */
    uint64_t max_age_ms;       /* after which the connection takes no more streams */
    uint64_t max_age_grace_ms; /* ... and after which streams that are left are broken off */
};

/* Limits of HTTP/2 beside those that all protocols share. */
struct http2_limits {
    uint64_t max_streams; /* requests in flight on a connection, running or open: REFUSED_STREAM */
    uint64_t stream_window_bytes;     /* of a body, sent and not yet used by its handler */
    uint64_t connection_window_bytes; /* of all bodies of a connection together */
    uint64_t max_continuations;       /* frames behind the first one of a header block */
    uint64_t control_burst;           /* frames that carry no request: ENHANCE_YOUR_CALM */
    uint64_t control_rate;            /* ... by which the burst refills in a second */
    uint64_t reset_burst;             /* streams that the peer resets, or makes us reset */
    uint64_t reset_rate;              /* as control_rate */
    uint64_t idle_timeout_ms;         /* without a stream; 0: none */
    struct http2_keepalive_limits keepalive;
};

struct http_limits {
    uint64_t header_bytes;       /* request line and fields together: 431 */
    uint64_t header_count;       /* 431 */
    uint64_t target_bytes;       /* 414 */
    uint64_t body_bytes;         /* 413 */
    uint64_t header_timeout_ms;  /* from a head's first byte to its last */
    uint64_t idle_timeout_ms;    /* of HTTP/1; http_server_drain_idle_ms once the server drains */
    uint64_t body_timeout_ms;    /* between two pieces of a body: 408 */
    uint64_t request_timeout_ms; /* from the handler's return to the answer: 503 */
    struct http2_limits http2;
};

struct access_log;
struct http2_cuts;
struct http_pool_kind;
struct http_request;

/* Spare requests: http_pool.h. */
struct http_pool {
    const struct http_pool_kind *kind; /* NULL until the first http_pool_get */
    struct http_request *first;
    size_t count;
};

/* An http_guard_fn checks a request before its handler runs.
 *
 * Returns: true: the handler runs; false: the guard has answered. */
typedef bool (*http_guard_fn)(struct http_request *req);

struct http_server {
    struct loop *loop;
    struct listener listener;
    struct router *router; /* owned */
    struct http_limits limits;
    struct budget *budget; /* NULL: memory is not counted */
    struct quota *quota;   /* one of the budget's, for requests; NULL: they are not charged */
    bool is_vital;         /* diagnostics: served however little memory is left */
    http_guard_fn guard;   /* NULL: every request is served */
    bool is_host_checked;  /* by the guard: 403 unless host_is_local */
    struct str allowed_hosts;
    struct http_metrics *metrics;
    const struct http_spans *spans; /* NULL: its requests are not exported */
    struct http2_cuts *http2_cuts;
    uint64_t *foreign;      /* counts connections that spoke neither protocol */
    http_begin_fn on_begin; /* runs before the handler of each request; NULL: none */
    struct http_observer observers[HTTP_OBSERVERS_MAX + 1]; /* run in this order */
    struct access_log *access; /* owned; NULL: no request gets a line */
    uint64_t slow_ns;          /* requests that take as long are logged; 0: none */
    bool has_server_timing;    /* answers have a Server-Timing field */
    bool survives_misuse;      /* a handler's mistake is logged; else it aborts the process */
    uint64_t cut_line_due_ms;  /* until then HTTP/2 connections cut off are not logged ... */
    uint64_t cuts_left_out;    /* ... but counted here */
    bool is_draining;
    bool has_drained;           /* its connections have begun to drain */
    struct loop_deferred drain; /* drains requests, then connections */
    struct list conns;          /* of struct http1 */
    struct list http2_conns;    /* of struct http2 */
    struct http_pool exchanges; /* of HTTP/1 */
    struct http_pool streams;   /* of HTTP/2 */
};

/* http_server_drain_idle_ms is HTTP_DRAIN_IDLE_MS, or HTTP_DRAIN_DIAGNOSTICS_MS. */
static inline uint64_t http_server_drain_idle_ms(const struct http_server *server)
{
    return server->is_vital ? HTTP_DRAIN_DIAGNOSTICS_MS : HTTP_DRAIN_IDLE_MS;
}

#endif
