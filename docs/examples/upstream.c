/* SPDX-License-Identifier: MIT
 *
 * upstream.c - a handler that asks another server and passes its answer on: the request waits
 * meanwhile, its deadline and its departure end the call, and its trace goes along.
 *
 *     UPSTREAM_URL=http://localhost:9000 make run-dev
 *     curl -i 'localhost:8080/upstream/v1/things'
 */
#include <stdio.h>

#include "core/app/app_module.h"

struct upstream {
    char url[CONFIG_TEXT_BYTES]; /* UPSTREAM_URL */
    struct http_client *client;
};

/* One request's, in its arena. */
struct relay {
    struct http_client_call call;
    struct http_request *req; /* the call holds it */
    char url[HTTP_CLIENT_URL_BYTES];
};

/* on_done runs once, also when the request was cancelled: then its answer is dropped. */
static void on_done(struct http_client_call *call, int status)
{
    const struct relay *relay = call->arg;
    const struct str type = http_client_header(call, "Content-Type");
    char text[128] = "application/octet-stream";
    if (status < 0) {
        http_respond_error(relay->req, status == UV_ETIMEDOUT ? 504 : 502, call->error);
        return;
    }
    if (type.len > 0 && type.len < sizeof(text)) {
        memcpy(text, type.ptr, type.len);
        text[type.len] = '\0';
    }
    http_respond(relay->req, &(struct http_response){.status = call->status,
                                                     .content_type = text,
                                                     .body = buf_str(&call->answer)});
}

static void handle_upstream(struct http_request *req, void *arg)
{
    static const struct str own = STR("/upstream");
    const struct upstream *upstream = arg;
    struct relay *relay = arena_alloc(&req->arena, sizeof(*relay));
    if (relay == NULL) {
        http_respond_error(req, 503, "out of memory");
        return;
    }
    *relay = (struct relay){.req = req};
    const struct str path = {req->path.ptr + own.len, req->path.len - own.len};
    const int len =
        snprintf(relay->url, sizeof(relay->url), "%s%" STR_FMT, upstream->url, STR_ARG(path));
    relay->call = (struct http_client_call){
        .client = upstream->client,
        .url = relay->url,
        .timeout_ms = 5000,
        .on_done = on_done,
        .arg = relay,
    };
    if (len >= (int)sizeof(relay->url) || http_client_send(http_ref(req), &relay->call) < 0) {
        http_respond_error(req, 502, "the upstream cannot be asked");
    }
}

static int open_module(void *state, const struct app_context *context)
{
    struct upstream *upstream = state;
    upstream->client = context->client;
    return 0;
}

static int add_routes(void *state, struct router *router, enum app_server server)
{
    static const struct route_row rows[] = {
        {METHOD_GET, "/upstream/:version/:thing", handle_upstream, 0},
        {METHOD_GET, "/upstream/:version/:thing/:id", handle_upstream, 0},
    };
    return server == APP_SERVER_HTTP ? router_add_rows(router, rows, ARRAY_COUNT(rows), state) : 0;
}

static const struct config_option options[] = {
    {.name = "UPSTREAM_URL",
     .kind = CONFIG_TEXT,
     .offset = offsetof(struct upstream, url),
     .value = "http://localhost:9000",
     .min = 8,
     .max = CONFIG_TEXT_BYTES - 1,
     .help = "the server that /upstream/ asks"},
};

const struct app_module example_upstream = {
    .name = "upstream",
    .state_bytes = sizeof(struct upstream),
    .options = options,
    .option_count = ARRAY_COUNT(options),
    .open = open_module,
    .add_routes = add_routes,
};
