/* SPDX-License-Identifier: MIT
 *
 * hello.c - the smallest module: a route and a handler that answers at once.
 *
 *     curl localhost:8080/hello/Ana
 */
#include "docs/examples/examples.h"

static void handle_hello(struct http_request *req, void *arg)
{
    (void)arg;
    http_respond_text(req, 200, "Hello, %" STR_FMT "!\n", STR_ARG(req->params[0]));
}

static int add_routes(void *state, struct router *router, enum app_server server)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/hello/:name", handle_hello, 0},
    };
    return server == APP_SERVER_HTTP ? router_add_rows(router, rows, ARRAY_COUNT(rows), state) : 0;
}

const struct app_module example_hello = {.name = "hello", .add_routes = add_routes};
