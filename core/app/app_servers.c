/* SPDX-License-Identifier: MIT
 *
 * app_servers.c - one router and one listener for each of the server's faces.
 */
#include "core/app/app_servers.h"

#include <stdio.h>
#include <sysexits.h>

#include "config/config_host.h"
#include "core/app/port_owner.h"

#define DIAGNOSTICS_FDS 32 /* kept for scrapes, dumps, captures and the files they read */
#define REDIS_FDS       2
#define OWN_FDS         30 /* beside connections; an idle server with all listeners has 28 open */

/* add_grpc mounts gRPC with the services of all modules. */
static int add_grpc(struct router *router, struct app_servers *servers,
                    const struct app_served *served)
{
    const struct config *c = served->config;
    const struct grpc_limits limits = {
        .receive_bytes = c->grpc_max_receive_bytes,
        .send_bytes = c->grpc_max_send_bytes,
    };
    int rc = grpc_create(&limits, served->metrics[APP_TRAFFIC_SIDE], &servers->grpc);
    rc = rc < 0 ? rc : app_modules_add_services(served->modules, servers->grpc);
    return rc < 0 ? rc : grpc_mount(servers->grpc, router);
}

static int add_routes(struct router *router, struct app_servers *servers,
                      const struct app_served *served, enum app_server which)
{
    const int rc = which == APP_SERVER_GRPC ? add_grpc(router, servers, served) : 0;
    return rc < 0 ? rc : app_modules_add_routes(served->modules, router, which);
}

static int make_router(struct app_servers *servers, const struct app_served *served,
                       enum app_server which, struct router **ret_router)
{
    struct router *router = router_create();
    const int rc = router == NULL ? UV_ENOMEM : add_routes(router, servers, served, which);
    if (rc < 0) {
        router_destroy(router);
        return rc;
    }
    *ret_router = router;
    return 0;
}

static struct http_limits limits_of(const struct config *c)
{
    return (struct http_limits){
        .header_bytes = c->max_header_bytes,
        .header_count = c->max_header_count,
        .target_bytes = c->max_target_bytes,
        .body_bytes = c->max_body_bytes,
        .header_timeout_ms = c->header_timeout_ms,
        .idle_timeout_ms = c->idle_timeout_ms,
        .body_timeout_ms = c->body_timeout_ms,
        .request_timeout_ms = c->request_timeout_ms,
        .http2 =
            {
                .max_streams = c->http2_max_concurrent_streams,
                .stream_window_bytes = c->http2_stream_window_bytes,
                .connection_window_bytes = c->http2_connection_window_bytes,
                .max_continuations = c->http2_max_continuations,
                .control_burst = c->http2_control_burst,
                .control_rate = c->http2_control_rate,
                .reset_burst = c->http2_reset_burst,
                .reset_rate = c->http2_reset_rate,
            },
    };
}

/* Where a listener is to listen, and the variable that says so. */
struct face {
    enum app_server which;
    const char *name;
    const char *host;
    uint64_t port;
    const char *variable;
    bool is_on;
};

/* describe_owner writes who holds a port: "process 1234 (nginx)", or "the other process". */
static void describe_owner(uint16_t port, char *out, size_t size)
{
    struct port_owner owner;
    if (port_owner_find(port, &owner)) {
        (void)snprintf(out, size, "process %d (%s)", (int)owner.pid, owner.name);
    } else {
        (void)snprintf(out, size, "the other process");
    }
}

static int refuse(const struct face *face, int error)
{
    char advice[128] = "";
    if (error == UV_EADDRINUSE) {
        char owner[64];
        describe_owner((uint16_t)face->port, owner, sizeof(owner));
        (void)snprintf(advice, sizeof(advice), "; stop %s, or choose a free port, or 0", owner);
    }
    (void)fprintf(stderr, "toq: %s: cannot listen on %s port %u: %s%s\n", face->variable,
                  face->host, (unsigned)face->port, uv_strerror(error), advice);
    return error == UV_EADDRINUSE ? EX_UNAVAILABLE : EX_OSERR;
}

/* limits_for adds what differs between listeners: gRPC has rules of its own for connections. */
static struct http_limits limits_for(const struct config *c, enum app_server which)
{
    struct http_limits limits = limits_of(c);
    limits.http2.idle_timeout_ms = c->idle_timeout_ms;
    if (which == APP_SERVER_GRPC) {
        limits.http2.idle_timeout_ms = c->grpc_max_connection_idle_ms;
        limits.http2.keepalive = (struct http2_keepalive_limits){
            .time_ms = c->grpc_keepalive_time_ms,
            .timeout_ms = c->grpc_keepalive_timeout_ms,
            .min_time_ms = c->grpc_keepalive_min_time_ms,
            .may_ping_idle = c->grpc_keepalive_permit_without_stream,
            .max_age_ms = c->grpc_max_connection_age_ms,
            .max_age_grace_ms = c->grpc_max_connection_age_grace_ms,
        };
    }
    return limits;
}

static enum app_side side_of(enum app_server which)
{
    return which == APP_SERVER_METRICS || which == APP_SERVER_PPROF ? APP_DIAGNOSTICS_SIDE
                                                                    : APP_TRAFFIC_SIDE;
}

/* listener_limits_for: the two listeners of traffic share the descriptors that are left when those
 * of the clients of MySQL and Redis, and some for diagnostics, are kept. */
static struct listener_limits listener_limits_for(const struct config *c, enum app_server which)
{
    if (side_of(which) == APP_DIAGNOSTICS_SIDE) {
        return (struct listener_limits){.max_count = c->diagnostics_max_connections};
    }
    return (struct listener_limits){
        .max_count = c->max_connections,
        .kept_fds = DIAGNOSTICS_FDS + c->mysql_pool_size + REDIS_FDS,
        .own_fds = OWN_FDS,
        .share_count = 2,
    };
}

/* is_local tells whether a listener is for this machine alone. */
static bool is_local(const struct face *face)
{
    struct in6_addr address;
    return config_host_parse(str_from(face->host), &address) && config_host_is_loopback(&address);
}

static int open_face(struct app_servers *servers, const struct app_served *served,
                     const struct face *face)
{
    const struct config *c = served->config;
    const enum app_side side = side_of(face->which);
    const struct http_server_options options = {
        .name = face->name,
        .host = face->host,
        .port = (uint16_t)face->port,
        .backlog = (int)c->listen_backlog,
        .limits = limits_for(c, face->which),
        .listener_limits = listener_limits_for(c, face->which),
        .budget = served->budget,
        .is_vital = side == APP_DIAGNOSTICS_SIDE,
        .is_host_checked = side == APP_DIAGNOSTICS_SIDE && is_local(face),
        .allowed_hosts = str_from(c->allowed_hosts),
        .http2_cuts = &servers->sides[side].http2_cuts,
        .access_every = c->log_access_every,
        .access_level = c->env == CONFIG_DEVELOPMENT ? LOG_DEBUG : LOG_INFO,
    };
    struct router *router = NULL;
    int rc = make_router(servers, served, face->which, &router);
    if (rc == 0) {
        rc = http_server_open(&servers->list[face->which], &served->conns[side], router,
                              &servers->sides[side].http_metrics, &options);
    }
    if (rc < 0) {
        return refuse(face, rc);
    }
    servers->is_serving[face->which] = true;
    return 0;
}

static bool is_of(const struct app_servers *servers, int i, enum app_side side)
{
    return servers->is_serving[i] && side_of((enum app_server)i) == side;
}

static int register_listeners(struct app_servers *servers, const struct app_served *served,
                              enum app_side side)
{
    struct listener *listeners[APP_SERVER_COUNT];
    size_t count = 0;
    for (int i = 0; i < APP_SERVER_COUNT; i++) {
        if (is_of(servers, i, side)) {
            listeners[count++] = &servers->list[i].listener;
        }
    }
    return count == 0 ? 0
                      : listener_metrics_register(&servers->sides[side].listener_metrics,
                                                  served->metrics[side], listeners, count);
}

static int init_side(struct app_servers *servers, const struct app_served *served,
                     enum app_side side)
{
    struct app_server_side *own = &servers->sides[side];
    const int rc = http_metrics_init(&own->http_metrics, served->metrics[side]);
    return rc < 0 ? rc : http2_cuts_init(&own->http2_cuts, served->metrics[side]);
}

int app_servers_open(struct app_servers *servers, const struct app_served *served)
{
    const struct config *c = served->config;
    const struct face faces[] = {
        {APP_SERVER_HTTP, "http", c->http_host, c->http_port, "HTTP_PORT", true},
        {APP_SERVER_GRPC, "grpc", c->grpc_host, c->grpc_port, "GRPC_PORT", true},
        {APP_SERVER_METRICS, "metrics", c->metrics_host, c->metrics_port, "METRICS_PORT",
         c->enable_metrics},
        {APP_SERVER_PPROF, "pprof", c->pprof_host, c->pprof_port, "PPROF_PORT", c->enable_pprof},
    };
    int rc = init_side(servers, served, APP_TRAFFIC_SIDE);
    rc = rc < 0 ? rc : init_side(servers, served, APP_DIAGNOSTICS_SIDE);
    for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(faces); i++) {
        const int code = faces[i].is_on ? open_face(servers, served, &faces[i]) : 0;
        if (code != 0) {
            return code;
        }
    }
    rc = rc < 0 ? rc : register_listeners(servers, served, APP_TRAFFIC_SIDE);
    rc = rc < 0 ? rc : register_listeners(servers, served, APP_DIAGNOSTICS_SIDE);
    if (rc < 0) {
        (void)fprintf(stderr, "toq: cannot start: %s\n", uv_strerror(rc));
        return EX_OSERR;
    }
    return 0;
}

void app_servers_log(const struct app_servers *servers)
{
    for (int i = 0; i < APP_SERVER_COUNT; i++) {
        if (servers->is_serving[i]) {
            const struct listener *listener = &servers->list[i].listener;
            LOG(LOG_INFO, "main", "listening", log_cstr("server", listener->name),
                log_cstr("address", listener->address));
        }
    }
}

static void on_listener_closed(void *arg)
{
    struct app_server_side *side = arg;
    side->draining_count--;
    side->on_closed(side->on_closed_arg);
}

void app_servers_drain(struct app_servers *servers, enum app_side side,
                       void (*on_closed)(void *arg), void *arg)
{
    struct app_server_side *own = &servers->sides[side];
    own->on_closed = on_closed;
    own->on_closed_arg = arg;
    for (int i = 0; i < APP_SERVER_COUNT; i++) {
        if (is_of(servers, i, side)) {
            own->draining_count++;
            http_server_drain(&servers->list[i], on_listener_closed, own);
        }
    }
}

void app_servers_deinit(struct app_servers *servers)
{
    for (int i = 0; i < APP_SERVER_COUNT; i++) {
        if (servers->is_serving[i]) {
            http_server_deinit(&servers->list[i]);
        }
    }
    grpc_destroy(servers->grpc);
    http_metrics_deinit(&servers->sides[APP_TRAFFIC_SIDE].http_metrics);
    http_metrics_deinit(&servers->sides[APP_DIAGNOSTICS_SIDE].http_metrics);
}
