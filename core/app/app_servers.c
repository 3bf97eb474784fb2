/* SPDX-License-Identifier: MIT
 *
 * app_servers.c - opens each row of config_listeners that is on: a router with the routes of all
 * modules, and a listener.
 */
#include "core/app/app_servers.h"

#include <stdio.h>
#include <sysexits.h>

#include "core/app/port_owner.h"

#define DIAGNOSTICS_FDS 32 /* kept for scrapes, dumps, captures and the files they read */
#define REDIS_FDS       2
#define OWN_FDS         30 /* beside connections; an idle server with all listeners has 28 open */

/* make_grpc makes gRPC with the services of all modules. */
static int make_grpc(struct app_servers *servers, const struct app_served *served)
{
    const struct config *c = served->config;
    const struct grpc_limits limits = {
        .receive_bytes = c->grpc_max_receive_bytes,
        .send_bytes = c->grpc_max_send_bytes,
    };
    const int rc = grpc_create(&limits, served->metrics[APP_TRAFFIC_SIDE], &servers->grpc);
    return rc < 0 ? rc : app_modules_add_services(served->modules, servers->grpc);
}

static int add_routes(struct router *router, struct app_servers *servers,
                      const struct app_served *served, enum app_server which)
{
    int rc = config_listeners[which].has_grpc ? grpc_mount(servers->grpc, router) : 0;
    rc = rc < 0 ? rc : app_modules_add_routes(served->modules, router, which);
    return rc == 0 && which == APP_SERVER_HTTP ? grpc_mount_http(servers->grpc, router) : rc;
}

static int make_router(struct app_servers *servers, const struct app_served *served,
                       enum app_server which, struct router **ret_router)
{
    struct router *router = router_create(http_respond_error, http_respond_unmatched);
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

/* refuse says on stderr why a listener cannot be opened. Returns: the exit code. */
static int refuse(const struct config_listener *row, const struct config *config, int error)
{
    const uint16_t port = config_listener_port(row, config);
    char advice[128] = "";
    if (error == UV_EADDRINUSE) {
        char owner[64];
        describe_owner(port, owner, sizeof(owner));
        (void)snprintf(advice, sizeof(advice), "; stop %s, or choose a free port, or 0", owner);
    }
    (void)fprintf(stderr, "toq: %s_PORT: cannot listen on %s port %u: %s%s\n", row->prefix,
                  config_listener_host(row, config), (unsigned)port, uv_strerror(error), advice);
    return error == UV_EADDRINUSE ? EX_UNAVAILABLE : EX_OSERR;
}

/* limits_for adds what differs between listeners: gRPC has rules of its own for connections. */
static struct http_limits limits_for(const struct config_listener *row, const struct config *c)
{
    struct http_limits limits = limits_of(c);
    limits.http2.idle_timeout_ms = c->idle_timeout_ms;
    if (row->has_grpc) {
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
    return config_listeners[which].is_diagnostics ? APP_DIAGNOSTICS_SIDE : APP_TRAFFIC_SIDE;
}

/* count_traffic is the number of listeners that share descriptors. */
static size_t count_traffic(void)
{
    size_t count = 0;
    for (size_t i = 0; i < CONFIG_LISTENER_COUNT; i++) {
        count += !config_listeners[i].is_diagnostics;
    }
    return count;
}

/* listener_limits_for: the listeners of traffic share the descriptors that are left when those of
 * the clients of MySQL and Redis, and some for diagnostics, are kept. */
static struct listener_limits listener_limits_for(const struct config_listener *row,
                                                  const struct config *c)
{
    struct listener_limits limits = {.max_count = config_listener_max_connections(row, c)};
    if (!row->is_diagnostics) {
        limits.kept_fds = DIAGNOSTICS_FDS + c->mysql_pool_size + REDIS_FDS;
        limits.own_fds = OWN_FDS;
        limits.share_count = count_traffic();
    }
    return limits;
}

static int open_server(struct app_servers *servers, const struct app_served *served,
                       enum app_server which)
{
    const struct config *c = served->config;
    const struct config_listener *row = &config_listeners[which];
    const enum app_side side = side_of(which);
    const struct http_server_options options = {
        .name = row->name,
        .host = config_listener_host(row, c),
        .port = config_listener_port(row, c),
        .backlog = (int)c->listen_backlog,
        .limits = limits_for(row, c),
        .listener_limits = listener_limits_for(row, c),
        .budget = served->budget,
        .is_vital = row->is_diagnostics,
        .is_host_checked = row->is_diagnostics && config_listener_is_local(row, c),
        .allowed_hosts = str_from(c->allowed_hosts),
        .http2_cuts = &servers->sides[side].http2_cuts,
        .spans = row->is_diagnostics ? NULL : served->spans,
        .records = row->is_diagnostics ? NULL : served->records,
        .trouble = row->is_diagnostics ? NULL : served->trouble,
        .slow_ns = row->is_diagnostics ? 0 : c->slow_request_ms * NS_PER_MS,
        .has_server_timing = !row->is_diagnostics && c->server_timing,
        .survives_misuse = c->misuse != 0,
        .access =
            {
                .name = row->name,
                .every = c->log_access_every,
                .max_per_s = c->log_access_max_per_s,
                .level = c->env == CONFIG_DEVELOPMENT ? LOG_DEBUG : LOG_INFO,
            },
    };
    struct router *router = NULL;
    int rc = make_router(servers, served, which, &router);
    if (rc == 0) {
        rc = http_server_open(&servers->list[which], &served->conns[side], router,
                              &servers->sides[side].http_metrics, &options);
    }
    if (rc < 0) {
        return refuse(row, c, rc);
    }
    servers->is_serving[which] = true;
    return 0;
}

static bool is_of(const struct app_servers *servers, int i, enum app_side side)
{
    return servers->is_serving[i] && side_of((enum app_server)i) == side;
}

static int register_listeners(struct app_servers *servers, const struct app_served *served)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < APP_SERVER_COUNT; i++) {
        if (servers->is_serving[i]) {
            rc = listener_register_metrics(&servers->list[i].listener,
                                           served->metrics[side_of((enum app_server)i)]);
        }
    }
    return rc;
}

static int init_side(struct app_servers *servers, const struct app_served *served,
                     enum app_side side)
{
    struct app_server_side *own = &servers->sides[side];
    own->conns = &served->conns[side];
    const int rc = http_metrics_init(&own->http_metrics, served->metrics[side]);
    return rc < 0 ? rc : http2_cuts_init(&own->http2_cuts, served->metrics[side]);
}

int app_servers_open(struct app_servers *servers, const struct app_served *served)
{
    int rc = init_side(servers, served, APP_TRAFFIC_SIDE);
    rc = rc < 0 ? rc : init_side(servers, served, APP_DIAGNOSTICS_SIDE);
    rc = rc < 0 ? rc : make_grpc(servers, served);
    for (int i = 0; rc == 0 && i < APP_SERVER_COUNT; i++) {
        const bool is_on = config_listener_is_on(&config_listeners[i], served->config);
        const int code = is_on ? open_server(servers, served, (enum app_server)i) : 0;
        if (code != 0) {
            return code;
        }
    }
    rc = rc < 0 ? rc : register_listeners(servers, served);
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
    own->conns->on_empty = on_closed;
    own->conns->on_empty_arg = arg;
    for (int i = 0; i < APP_SERVER_COUNT; i++) {
        if (is_of(servers, i, side)) {
            own->draining_count++;
            http_server_drain(&servers->list[i], on_listener_closed, own);
        }
    }
}

bool app_servers_have_drained(const struct app_servers *servers, enum app_side side)
{
    return servers->sides[side].draining_count == 0 && servers->sides[side].conns->count == 0;
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
