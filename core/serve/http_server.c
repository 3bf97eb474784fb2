/* SPDX-License-Identifier: MIT
 *
 * http_server.c - ties a listener to a router; a connection speaks HTTP/1 until it begins with the
 * preface of HTTP/2.
 */
#include "core/serve/http_server.h"

#include "core/http/http_pool.h"
#include "core/http1/http1.h"
#include "core/http2/http2.h"

static void on_accept(struct listener *listener, struct conn *conn)
{
    struct http_server *server = listener->ctx;
    if (server->is_vital) {
        conn_set_vital(conn);
    }
    http1_attach(server, conn);
}

/* run_drain: the requests first, so that a client that watches the health hears of it before the
 * GOAWAY. */
static void run_drain(struct loop_deferred *deferred)
{
    struct http_server *server = CONTAINER_OF(deferred, struct http_server, drain);
    http_tell_drain(server);
    if (!server->has_drained) {
        server->has_drained = true;
        http1_drain(server);
        http2_drain(server);
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
        .is_host_checked = options->is_host_checked,
        .allowed_hosts = options->allowed_hosts,
        .metrics = metrics,
        .other = &http2_protocol,
        .http2_cuts = options->http2_cuts,
        .spans = options->spans,
        .records = options->records,
        .slow_ns = options->slow_ns,
    };
    if (options->budget != NULL) {
        server->quota =
            options->is_vital ? &options->budget->diagnostics : &options->budget->traffic;
    }
    access_log_init(&server->access, conns->loop, &options->access);
    list_init(&server->conns);
    list_init(&server->http2_conns);
    list_init(&server->drain.link);
    server->drain.run = run_drain;
    const int rc = listener_open(&server->listener, conns, options->name, options->host,
                                 options->port, options->backlog, on_accept, server);
    if (rc < 0) {
        router_destroy(router);
        server->router = NULL;
    }
    server->listener.limits = options->listener_limits;
    return rc;
}

void http_server_drain(struct http_server *server, void (*on_closed)(void *arg), void *arg)
{
    server->is_draining = true;
    access_log_flush(&server->access);
    listener_close(&server->listener, on_closed, arg);
    loop_defer(server->loop, &server->drain);
}

void http_server_deinit(struct http_server *server)
{
    REQUIRE(list_is_empty(&server->conns) && list_is_empty(&server->http2_conns));
    loop_undefer(&server->drain);
    access_log_deinit(&server->access);
    http_pool_free(&server->exchanges);
    http_pool_free(&server->streams);
    router_destroy(server->router);
    server->router = NULL;
}
