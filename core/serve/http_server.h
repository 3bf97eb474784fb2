/* SPDX-License-Identifier: MIT
 *
 * http_server.h - one HTTP listener opened, drained and closed.
 *
 * Flow:   http_server_open -> requests ... -> http_server_drain: stop listening, close what is
 *         idle, answer the rest with Connection: close -> conn_set's on_empty
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SERVE_HTTP_SERVER_H
#define TOQ_CORE_SERVE_HTTP_SERVER_H

#include "core/http/server.h"
#include "core/observe/access_log.h"
#include "core/observe/trouble.h"

struct http_server_options {
    const char *name; /* a literal, for logs and metrics */
    const char *host;
    uint16_t port;
    int backlog;
    struct http_limits limits;
    struct listener_limits listener_limits;
    struct budget *budget;          /* outlives the server; NULL: memory is not counted */
    bool is_vital;                  /* diagnostics: served however little memory is left */
    bool is_host_checked;           /* requests whose Host is not local (host_is_local) get 403 */
    struct str allowed_hosts;       /* that are; outlives the server */
    struct http2_cuts *http2_cuts;  /* counted there; outlives the server */
    const struct http_spans *spans; /* NULL: its requests are not exported */
    struct http_records *records;   /* outlives the server; NULL: none are kept */
    struct trouble *trouble;        /* outlives the server; NULL: its errors are not counted */
    struct access_log_options access;
    uint64_t slow_ns;       /* requests that take as long are logged; 0: none */
    bool has_server_timing; /* answers tell where their time went */
    bool survives_misuse;   /* see misuse.h */
};

/* http_server_open binds and serves `router`'s routes.
 *
 * Owns:    router, also on failure. metrics is borrowed and outlives the server.
 * Returns: 0; what listener_open says.
 */
MUST_USE int http_server_open(struct http_server *server, struct conn_set *conns,
                              struct router *router, struct http_metrics *metrics,
                              const struct http_server_options *options);

/* http_server_drain stops accepting and lets what is under way end; requests that asked by
 * http_on_drain are told, and the connections behind them. conn_set.on_empty tells when the last
 * connection has closed; on_closed runs once when the listener has. */
void http_server_drain(struct http_server *server, void (*on_closed)(void *arg), void *arg);

/* http_server_deinit frees the server's memory; it is drained and has no connections. */
void http_server_deinit(struct http_server *server);

#endif
