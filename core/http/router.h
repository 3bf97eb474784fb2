/* SPDX-License-Identifier: MIT
 *
 * router.h - from method and path to a handler, through a tree of path segments.
 *
 * A template is a path whose segments may be parameters: "/v1/listings/:id". A literal segment wins
 * over a parameter, and both over a last segment "*", which matches all that are left. Segments are
 * compared after one percent-decoding.
 *
 * Memory: templates and names are borrowed for the router's life: use literals.
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_ROUTER_H
#define TOQ_CORE_HTTP_ROUTER_H

#include "core/http/http.h"

#define ROUTER_SEGMENTS_MAX 32
#define ROUTER_ALLOW_BYTES  64 /* all method names, commas and a NUL */

struct router;
struct http_series;

typedef void (*route_handler_fn)(struct http_request *req, void *arg);

/* A route_refuse_fn answers a request whose head is refused, too big or malformed, or for which
 * memory is missing; the request may lack any of its fields. Arguments as http_respond_error. */
typedef void (*route_refuse_fn)(struct http_request *req, int status, const char *detail);

enum route_flags {
    ROUTE_BODY = 1,        /* the handler wants the request's body; else it is read and dropped */
    ROUTE_NO_DEADLINE = 2, /* the handler takes as long as its parameters say */
    /* The handler runs before the body: http_on_body. HTTP/2 only; HTTP/1 gets 505. */
    ROUTE_STREAM = 4,
    ROUTE_RPC = 8, /* a method of gRPC: profiles label it "rpc", without the first slash */
    /* The answer lasts as long as its client stays: a capture, a stream of events. A FIN behind the
     * request means that the client has left; requests of other routes are still answered. */
    ROUTE_LONG = 16,
    ROUTE_VITAL = 32 /* served even when no memory is left for others: health */
};

/* ROUTE_SLOW_MS(ms), among a route's flags, is the duration from which on an answer of it triggers
 * a recording, in place of RECORDER_SLOW_MS: 1 to 1048575. */
#define ROUTE_SLOW_SHIFT  12
#define ROUTE_SLOW_MS(ms) ((unsigned)(ms) << ROUTE_SLOW_SHIFT)

#define HTTP_BANDS 9 /* of durations; records.h */

/* When a route's next record of each kind is due; records.c's. */
struct route_kept {
    uint64_t due_ns[HTTP_BANDS + 1]; /* by band; the last: of one that failed */
    uint64_t cpu_due_ns;
    uint64_t slow_line_due_ns; /* until then slow requests of it are not logged ... */
    uint64_t slow_left_out;    /* ... but counted here */
    uint64_t cpu_ticks;        /* of the last one that was kept as expensive */
};

struct route {
    enum http_method method;
    const char *path; /* the template; "" for a request that no route matches */
    route_handler_fn handler;
    void *arg;
    unsigned flags;
    uint32_t label;             /* label.h */
    struct http_series *series; /* http_metrics.c's */
    uint64_t *late;             /* http_metrics.c's: late answers; NULL until there is one */
    uint64_t *forgotten;        /* ... and forgotten requests */
    struct route_kept kept;
    uint64_t late_line_due_ms; /* until then late answers of it are not logged */
};

struct router_match {
    struct route *route; /* never NULL: router_unmatched's where nothing matches */
    unsigned allow;      /* bit (1 << method) of each method that the path has; 0: no such path */
    struct str params[HTTP_PARAMS_MAX]; /* those beyond the template's are not defined */
};

/* router_create makes an empty router.
 *
 * refuse:    answers requests that are refused: http_respond_error.
 * unmatched: the handler of requests that no route matches: http_respond_unmatched.
 * Returns:   the router; NULL when memory is missing.
 */
MUST_USE struct router *router_create(route_refuse_fn refuse, route_handler_fn unmatched);

/* router_destroy frees it; takes NULL. */
void router_destroy(struct router *router);

/* router_add registers a route.
 *
 * flags:   enum route_flags.
 * Returns: 0; UV_EEXIST: the method and template have a route, which stays; it is logged;
 *          UV_ENOMEM. A template without a leading '/', or with more than HTTP_PARAMS_MAX
 *          parameters, is a broken REQUIRE.
 */
MUST_USE int router_add(struct router *router, enum http_method method, const char *path,
                        route_handler_fn handler, void *arg, unsigned flags);

/* A row of a table of routes. */
struct route_row {
    enum http_method method;
    const char *path;
    route_handler_fn handler;
    unsigned flags;
};

/* router_add_rows adds a table of routes whose handlers share `arg`.
 *
 * Returns: as router_add; the rows before the one that failed stay.
 */
MUST_USE int router_add_rows(struct router *router, const struct route_row *rows, size_t count,
                             void *arg);

/* router_set_fallback gives requests that no route matches to a handler, whatever their method, in
 * place of 404, 405 and 501. */
void router_set_fallback(struct router *router, route_handler_fn handler, void *arg,
                         unsigned flags);

/* router_set_refusal replaces router_create's `refuse`. HTTP/2 uses it for every request that it
 * refuses, HTTP/1 for lack of memory alone. */
void router_set_refusal(struct router *router, route_refuse_fn refuse);

/* router_refusal is the router's `refuse`. */
route_refuse_fn router_refusal(const struct router *router);

/* router_match finds the route of a request: HEAD takes GET's when it has none of its own. A path
 * of more than ROUTER_SEGMENTS_MAX segments matches nothing.
 *
 * path:    not decoded.
 * arena:   for decoded segments.
 * Returns: 0 with *ret_match set, whatever was found; UV_EINVAL when the path has a bad escape, %00
 *          or no leading '/'; UV_ENOMEM.
 */
MUST_USE int router_match(struct router *router, enum http_method method, struct str path,
                          struct arena *arena, struct router_match *ret_match);

/* router_format_allow writes the Allow field's value for a mask: "GET, HEAD, OPTIONS".
 *
 * out: ROUTER_ALLOW_BYTES.
 */
void router_format_allow(unsigned allow, char *out);

/* router_all_methods is the mask of the methods of all routes, for OPTIONS *. */
unsigned router_all_methods(const struct router *router);

/* router_each calls `fn` for each route, in no order that means anything. */
void router_each(const struct router *router, void (*fn)(void *arg, const struct route *route),
                 void *arg);

/* router_unmatched is the route that stands for requests of `method` that match none. */
struct route *router_unmatched(struct router *router, enum http_method method);

#endif
