/* SPDX-License-Identifier: MIT
 *
 * hello.c - the smallest module: a route and a handler that answers at once.
 *
 *     curl localhost:8080/hello/Ana
 */
#include "core/app/app_module.h"

static void handle_hello(struct http_request *req, void *arg)
{
    (void)arg;
    http_respond_text(req, 200, "Hello, %" STR_FMT "!\n", STR_ARG(req->params[0]));
}

static const struct route_row routes[] = {
    {METHOD_GET, "/hello/:name", handle_hello, 0},
};

const struct app_module example_hello = {
    .name = "hello", .routes = routes, .route_count = ARRAY_COUNT(routes)};
