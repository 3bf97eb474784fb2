/* SPDX-License-Identifier: MIT
 *
 * http_server.c - ties a listener to a router, to those who observe its requests, and to the
 * protocols.
 */
#include "core/serve/http_server.h"

#include "core/http/guard.h"
#include "core/http/http_pool.h"
#include "core/http/http_span.h"
#include "core/http/http_trace.h"
#include "core/http1/http1.h"
#include "core/http2/http2.h"
#include "core/http2/http2_cut.h"
#include "core/observe/records.h"
#include "core/observe/slow.h"
#include "core/serve/greeting.h"

static void on_accept(struct listener *listener, struct conn *conn)
{
    struct http_server *server = listener->ctx;
    if (server->is_vital) {
        conn_set_vital(conn);
    }
    greeting_attach(server, conn);
}

/* run_drain: the requests first, so that a client that watches the health hears of it before the
 * GOAWAY. */
static void run_drain(struct loop_deferred *deferred)
{
    struct http_server *server = CONTAINER_OF(deferred, struct http_server, drain);
    http_tell_drain(server);
    if (!server->has_drained) {
        server->has_drained = true;
        greeting_drain(server);
        http1_drain(server);
        http2_drain(server);
    }
}

static int open_log(struct http_server *server, const struct access_log_options *options)
{
    if (options->every > 0) {
        server->access = access_log_create(server->loop, options);
    }
    return options->every > 0 && server->access == NULL ? UV_ENOMEM : 0;
}

/* add_observers: the access line has the CPU time so far; the records need it closed. */
static void add_observers(struct http_server *server, const struct http_server_options *options)
{
    const struct {
        bool is_wanted;
        struct http_observer observer;
    } rows[HTTP_OBSERVERS_MAX] = {
        {options->spans != NULL, {http_spans_on_end, server}},
        {server->access != NULL, {access_log_on_end, server->access}},
        {options->slow_ns > 0, {slow_on_end, server}},
        {options->trouble != NULL, {trouble_on_end, options->trouble}},
        {true, {http_metrics_on_end, server->metrics}},
        {options->records != NULL, {http_records_on_end, options->records}},
        {options->records != NULL || options->spans != NULL, {http_exemplars_on_end, NULL}},
    };
    server->on_begin = options->is_vital ? NULL : http_trace_show;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].is_wanted) {
            server->observers[count++] = rows[i].observer;
        }
    }
}

int http_server_open(struct http_server *server, struct conn_set *conns, struct router *router,
                     struct http_metrics *metrics, const struct http_server_options *options)
{
    *server = (struct http_server){
        .loop = conns->loop,
        .router = router,
        .limits = options->limits,
        .budget = options->budget,
        .is_vital = options->is_vital,
        .guard = options->is_vital ? guard_diagnostics : NULL,
        .is_host_checked = options->is_host_checked,
        .allowed_hosts = options->allowed_hosts,
        .metrics = metrics,
        .http2_cuts = options->http2_cuts,
        .foreign = options->http2_cuts->counts[HTTP2_CUT_PROTOCOL],
        .spans = options->spans,
        .slow_ns = options->slow_ns,
        .has_server_timing = options->has_server_timing,
        .survives_misuse = options->survives_misuse,
    };
    if (options->budget != NULL) {
        server->quota =
            options->is_vital ? &options->budget->diagnostics : &options->budget->traffic;
    }
    list_init(&server->conns);
    list_init(&server->http2_conns);
    list_init(&server->drain.link);
    server->drain.run = run_drain;
    int rc = open_log(server, &options->access);
    if (rc == 0) {
        add_observers(server, options);
        rc = listener_open(&server->listener, conns, options->name, options->host, options->port,
                           options->backlog, on_accept, server);
    }
    if (rc < 0) {
        access_log_destroy(server->access);
        server->access = NULL;
        router_destroy(router);
        server->router = NULL;
    }
    server->listener.limits = options->listener_limits;
    return rc;
}

void http_server_drain(struct http_server *server, void (*on_closed)(void *arg), void *arg)
{
    server->is_draining = true;
    server->limits.idle_timeout_ms = http_server_drain_idle_ms(server);
    access_log_flush(server->access);
    listener_close(&server->listener, on_closed, arg);
    loop_defer(server->loop, &server->drain);
}

void http_server_deinit(struct http_server *server)
{
    REQUIRE(list_is_empty(&server->conns) && list_is_empty(&server->http2_conns));
    loop_undefer(&server->drain);
    access_log_destroy(server->access);
    server->access = NULL;
    http_pool_free(&server->exchanges);
    http_pool_free(&server->streams);
    router_destroy(server->router);
    server->router = NULL;
}
