/* SPDX-License-Identifier: MIT
 *
 * listings_module.c - the table, and the options of listings.
 */
#include "core/app/app_module.h"

#include "handlers/kit/tokens.h"
#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/http/listings_http.h"
#include "handlers/listings/store/listings_store.h"

struct listings_module {
    struct listings listings;
    /* the values of its options */
    uint64_t cache_ttl_ms;      /* of a listing in Redis; 0: none is kept there */
    uint64_t cache_page_ttl_ms; /* of a page of listings; 0: none is kept there */
    uint64_t cache_timeout_ms;  /* what Redis may take */
};

#define SETTING(name) offsetof(struct listings_module, name)

/* clang-format off */
static const struct config_option options[] = {
    {.name = "CACHE_TTL_MS", .kind = CONFIG_NUMBER, .offset = SETTING(cache_ttl_ms),
     .value = "60000", .max = 86400000, .unit = "milliseconds", .zero = "keeps none",
     .help = "how long Redis keeps a listing; must be the same in every process that shares it"},
    {.name = "CACHE_PAGE_TTL_MS", .kind = CONFIG_NUMBER, .offset = SETTING(cache_page_ttl_ms),
     .value = "5000", .max = 86400000, .unit = "milliseconds", .zero = "keeps none",
     .help = "how long Redis keeps a page of listings"},
    {.name = "CACHE_TIMEOUT_MS", .kind = CONFIG_NUMBER, .offset = SETTING(cache_timeout_ms),
     .value = "50", .min = 1, .max = 60000, .unit = "milliseconds",
     .help = "how long Redis may take before MySQL is asked instead, to the next 100 ms"},
};
/* clang-format on */

static int open_module(void *state, const struct app_context *context)
{
    struct listings_module *module = state;
    const struct listings_options listings_options = {
        .cache =
            {
                .loop = context->loops[APP_TRAFFIC_SIDE],
                .sql = context->sql,
                .redis = context->redis,
                .pubsub = context->pubsub,
                .ttl_ms = module->cache_ttl_ms,
                .page_ttl_ms = module->cache_page_ttl_ms,
                .timeout_ms = module->cache_timeout_ms,
            },
        .tokens = *tokens_get(context),
        .request_timeout_ms = context->config->request_timeout_ms,
    };
    return listings_init(&module->listings, context->metrics[APP_TRAFFIC_SIDE], &listings_options);
}

static int add_routes(void *state, struct router *router, enum app_server server)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/v1/listings", listings_handle_list, 0},
        {METHOD_POST, "/v1/listings", listings_handle_create, ROUTE_BODY},
        {METHOD_GET, "/v1/listings/:id", listings_handle_get, ROUTE_SLOW_MS(1000)},
        {METHOD_PUT, "/v1/listings/:id", listings_handle_put, ROUTE_BODY},
        {METHOD_PATCH, "/v1/listings/:id", listings_handle_patch, ROUTE_BODY},
        {METHOD_DELETE, "/v1/listings/:id", listings_handle_delete, 0},
    };
    struct listings_module *module = state;
    return server == APP_SERVER_HTTP
               ? router_add_rows(router, rows, ARRAY_COUNT(rows), &module->listings)
               : 0;
}

static int add_services(void *state, struct grpc *grpc)
{
    struct listings_module *module = state;
    return listings_grpc_mount(grpc, &module->listings);
}

static void close_module(void *state)
{
    struct listings_module *module = state;
    listings_deinit(&module->listings);
}

static const struct app_example examples[] = {
    {APP_SERVER_HTTP, false, "curl 'localhost:", "/v1/listings?limit=2'"},
    {.before = NULL},
};

const struct app_module listings_module = {
    .name = "listings",
    .examples = examples,
    .state_bytes = sizeof(struct listings_module),
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .schema = &listings_schema,
    .open = open_module,
    .add_routes = add_routes,
    .add_services = add_services,
    .close = close_module,
};
