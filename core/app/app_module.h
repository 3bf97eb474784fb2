/* SPDX-License-Identifier: MIT
 *
 * app_module.h - a module: a table of the options, schema steps, routes and services of one
 * feature. A feature is a folder with such a table, and a line in handlers/modules.c.
 *
 * Flow:   the options are read -> open -> add_routes for each listener, add_services -> start ->
 *         the loops run -> on_data_close -> the loops have stopped: stop -> close
 * Memory: a module's state is made and freed by core/app. It is all zero, but for the values of the
 *         module's options, when open is called.
 * Thread: main while the loops do not run; what routes and services run on is the loop of their
 *         listener.
 */
#ifndef TOQ_CORE_APP_APP_MODULE_H
#define TOQ_CORE_APP_APP_MODULE_H

#include <stdatomic.h>

#include "config/config_listeners.h"
#include "core/client/http_client.h"
#include "core/grpc/grpc.h"
#include "core/http/router.h"
#include "core/loop/pool.h"
#include "core/redis/redis_ask.h"
#include "core/redis/redis_pubsub.h"
#include "core/sql/sql_ask.h"
#include "core/sql/sql_migrate.h"
#include "core/sql/sql_rows.h"

#define APP_MODULES_MAX 32

/* The listeners: rows of config_listeners. */
enum app_server {
    APP_SERVER_HTTP = CONFIG_LISTENER_HTTP,
    APP_SERVER_GRPC = CONFIG_LISTENER_GRPC,
    APP_SERVER_METRICS = CONFIG_LISTENER_METRICS,
    APP_SERVER_PPROF = CONFIG_LISTENER_PPROF,
    APP_SERVER_COUNT = CONFIG_LISTENER_COUNT
};

/* What a listener does, by its row's is_diagnostics, and on which loop. */
enum app_side {
    APP_TRAFFIC_SIDE,     /* on the work loop */
    APP_DIAGNOSTICS_SIDE, /* on that of diagnostics, which may be the same */
    APP_SIDE_COUNT
};

/* Something to try on a server that has started; the port stands between `before` and `after`. */
struct app_example {
    enum app_server server; /* shown when it serves */
    bool is_page;           /* to open in a browser, not to type */
    const char *before;
    const char *after;
};

struct app_module;
struct trouble;

/* What modules are given: all of it outlives them. */
struct app_context {
    const struct config *config;
    const char *program; /* argv[0] */
    const char *version;
    struct loop *loops[APP_SIDE_COUNT];
    struct metrics *metrics[APP_SIDE_COUNT]; /* what each side counts in; the same, on one loop */
    struct pool *diagnostics;                /* threads for what diagnoses */
    struct pool *offload;                    /* threads for what would block a loop */
    struct sql *sql;                         /* the work loop's, as are the next three */
    struct redis *redis;
    struct redis_pubsub *pubsub;
    struct http_client *client;   /* calls of other servers, by http_client_send */
    struct http_records *records; /* of requests that have ended; NULL: none are kept */
    struct trouble *trouble;      /* of traffic: when the recorder keeps what it has */
    atomic_bool is_draining;      /* from the signal on */
    struct app_modules *modules;  /* for app_module_state */
};

/* Each function may be NULL. Those that return an int return 0, or what libuv says. */
struct app_module {
    const char *name;
    size_t state_bytes;
    /* Its variables. Their offsets are of its state, which holds the values when open is called. */
    const struct config_option *options;
    size_t option_count;
    const struct app_example
        *examples; /* up to one without `before`; shown to whoever watches a start */
    const struct sql_schema *schema; /* the steps that make its tables; NULL: none */
    /* What it serves over HTTP and gRPC. Handlers get its state for `arg`; those of a module
     * without one, the struct app_context. */
    const struct route_row *routes;
    size_t route_count;
    const struct grpc_service *services; /* their own arg is not looked at */
    size_t service_count;
    int (*open)(void *state, const struct app_context *context);
    /* for routes on other listeners, or with another arg, and likewise services */
    int (*add_routes)(void *state, struct router *router, enum app_server server);
    int (*add_services)(void *state, struct grpc *grpc);
    /* The log has started. Returns: 0, or an exit code of sysexits.h with a line on stderr. */
    int (*start)(void *state);
    void (*on_ready)(void *state); /* for a line in the log */
    void (*on_dump)(void *state);  /* SIGQUIT: say what the server does; on the diagnostics' loop */
    /* The clients of MySQL and Redis are about to close: nothing may be asked of them. On the work
     * loop. */
    void (*on_data_close)(void *state);
    void (*stop)(void *state);
    void (*close)(void *state); /* the clients are closed, and no request is left */
};

/* app_module_state finds the state of another module, which stands before the asking one in the
 * list.
 *
 * Returns: NULL when the server has no such module.
 */
void *app_module_state(const struct app_context *context, const struct app_module *module);

#endif
