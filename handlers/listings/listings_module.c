/* SPDX-License-Identifier: MIT
 *
 * listings_module.c - the table, and what the configuration says of listings.
 */
#include "handlers/listings/listings_module.h"

#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/http/listings_http.h"
#include "handlers/listings/store/listings_store.h"

static int open_module(void *state, const struct app_context *context)
{
    const struct config *config = context->config;
    const struct listings_options options = {
        .cache =
            {
                .loop = context->loops[APP_TRAFFIC_SIDE],
                .sql = context->sql,
                .redis = context->redis,
                .pubsub = context->pubsub,
                .ttl_ms = config->cache_ttl_ms,
                .page_ttl_ms = config->cache_page_ttl_ms,
                .timeout_ms = config->cache_timeout_ms,
            },
        .tokens =
            {
                .list = str_from(config->api_tokens),
                .is_open = config->env == CONFIG_DEVELOPMENT && config->api_tokens[0] == '\0',
            },
        .request_timeout_ms = config->request_timeout_ms,
    };
    return listings_init(state, context->metrics[APP_TRAFFIC_SIDE], &options);
}

static int add_routes(void *state, struct router *router, enum app_server server)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/v1/listings", listings_handle_list, 0},
        {METHOD_POST, "/v1/listings", listings_handle_create, ROUTE_BODY},
        {METHOD_GET, "/v1/listings/:id", listings_handle_get, 0},
        {METHOD_PUT, "/v1/listings/:id", listings_handle_put, ROUTE_BODY},
        {METHOD_PATCH, "/v1/listings/:id", listings_handle_patch, ROUTE_BODY},
        {METHOD_DELETE, "/v1/listings/:id", listings_handle_delete, 0},
    };
    return server == APP_SERVER_HTTP ? router_add_rows(router, rows, ARRAY_COUNT(rows), state) : 0;
}

static int add_services(void *state, struct grpc *grpc)
{
    return listings_grpc_mount(grpc, state);
}

static void on_ready(void *state)
{
    listings_log(state);
}

static void close_module(void *state)
{
    listings_deinit(state);
}

const struct app_module listings_module = {
    .name = "listings",
    .state_bytes = sizeof(struct listings),
    .schema = listings_migrations,
    .open = open_module,
    .add_routes = add_routes,
    .add_services = add_services,
    .on_ready = on_ready,
    .close = close_module,
};
