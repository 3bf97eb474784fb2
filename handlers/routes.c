/* SPDX-License-Identifier: MIT
 *
 * routes.c - the whole route table.
 */
#include "handlers/routes.h"

struct row {
    enum http_method method;
    const char *path;
    route_handler_fn handler;
    unsigned flags;
};

static int add_rows(struct router *router, const struct row *rows, size_t count, void *arg)
{
    for (size_t i = 0; i < count; i++) {
        const int rc =
            router_add(router, rows[i].method, rows[i].path, rows[i].handler, arg, rows[i].flags);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int routes_health(struct router *router, struct health *health)
{
    static const struct row rows[] = {
        {METHOD_GET, "/health", health_handle, ROUTE_VITAL},
        {METHOD_GET, "/health/live", health_handle_live, ROUTE_VITAL},
        {METHOD_GET, "/health/ready", health_handle_ready, ROUTE_VITAL},
    };
    return add_rows(router, rows, ARRAY_COUNT(rows), health);
}

int routes_public(struct router *router, struct health *health)
{
    return routes_health(router, health);
}

int routes_listings(struct router *router, struct listings *listings)
{
    static const struct row rows[] = {
        {METHOD_GET, "/v1/listings", listings_handle_list, 0},
        {METHOD_POST, "/v1/listings", listings_handle_create, ROUTE_BODY},
        {METHOD_GET, "/v1/listings/:id", listings_handle_get, 0},
        {METHOD_PUT, "/v1/listings/:id", listings_handle_put, ROUTE_BODY},
        {METHOD_PATCH, "/v1/listings/:id", listings_handle_patch, ROUTE_BODY},
        {METHOD_DELETE, "/v1/listings/:id", listings_handle_delete, 0},
    };
    return add_rows(router, rows, ARRAY_COUNT(rows), listings);
}

int routes_metrics(struct router *router, struct metrics_scrape *scrape)
{
    static const struct row rows[] = {
        {METHOD_GET, "/metrics", metrics_handle, 0},
    };
    return add_rows(router, rows, ARRAY_COUNT(rows), scrape);
}

int routes_pprof(struct router *router, struct pprof *pprof)
{
    static const struct row rows[] = {
        {METHOD_GET, "/debug/pprof", pprof_handle_redirect, 0},
        {METHOD_GET, "/debug/pprof/", pprof_handle_index, 0},
        {METHOD_GET, "/debug/pprof/cmdline", pprof_handle_cmdline, 0},
        {METHOD_GET, "/debug/pprof/profile", pprof_handle_profile, ROUTE_NO_DEADLINE | ROUTE_LONG},
        {METHOD_GET, "/debug/pprof/symbol", pprof_handle_symbol, 0},
        {METHOD_POST, "/debug/pprof/symbol", pprof_handle_symbol, ROUTE_BODY},
        {METHOD_GET, "/debug/pprof/:name", pprof_handle_named, ROUTE_NO_DEADLINE},
        {METHOD_GET, "/debug/pprof/*", pprof_handle_unknown, 0},
        {METHOD_GET, "/debug/fgprof", pprof_handle_wall, ROUTE_NO_DEADLINE | ROUTE_LONG},
    };
    return add_rows(router, rows, ARRAY_COUNT(rows), pprof);
}
