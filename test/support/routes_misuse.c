/* SPDX-License-Identifier: MIT
 *
 * routes_misuse.c - handlers that are wrong, one mistake a route.
 *
 * /test/misuse/field?name=N&value=V: sends a field of the client's making; POST, as a trailer, too.
 * /test/misuse/forget: returns, and nothing will ever answer; /test/misuse/forget-cancel: is cancelled, and does not end.
 * /test/misuse/query-on-stack, command-on-stack: ask MySQL or Redis with a struct that is gone when the answer
 * comes. AddressSanitizer puts locals elsewhere, and finds their use itself: not so here.
 */
#include "test/support/routes_misuse.h"

#include "core/http/http.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

static struct str query(struct http_request *req, struct str name)
{
    struct str value;
    return http_query_get(req, name, &value) ? value : STR("");
}

static void handle_field(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_header fields[] = {
        {query(req, STR("name")), query(req, STR("value"))},
        {STR("X-Good"), STR("yes")},
    };
    struct http_response response = {
        .status = 200,
        .content_type = TEXT_TYPE,
        .body = STR("ok\n"),
        .headers = fields,
        .header_count = ARRAY_COUNT(fields),
    };
    if ((req->route->flags & ROUTE_STREAM) != 0) {
        response.trailers = fields;
        response.trailer_count = ARRAY_COUNT(fields);
    }
    http_respond(req, &response);
}

static void handle_forget(struct http_request *req, void *arg)
{
    (void)req;
    (void)arg;
}

static void on_cancel(struct http_request *req, int status)
{
    (void)req;
    (void)status;
}

static void handle_forget_cancel(struct http_request *req, void *arg)
{
    (void)arg;
    http_on_cancel(req, on_cancel);
    task_park(&req->task, "sleep");
}

#define ON_THE_STACK __attribute__((no_sanitize("address")))

static void on_query_done(struct sql_query *query)
{
    (void)query;
}

ON_THE_STACK static void handle_query_on_stack(struct http_request *req, void *arg)
{
    const struct health *health = arg;
    struct sql_query query = {
        .text = STR("SELECT 1"), .on_done = on_query_done, .task = &req->task};
    if (sql_query_start((struct sql *)(uintptr_t)health->sql, &query) < 0) {
        http_respond_error(req, 503, NULL);
    }
}

static void on_reply(struct redis_call *call, int status, const struct redis_reply *reply)
{
    (void)call;
    (void)status;
    (void)reply;
}

ON_THE_STACK static void handle_command_on_stack(struct http_request *req, void *arg)
{
    const struct health *health = arg;
    struct redis_call call = {.on_reply = on_reply, .task = &req->task};
    const struct str args[] = {STR("PING")};
    struct redis *redis = (struct redis *)(uintptr_t)health->redis;
    if (redis_send(redis, &call, args, ARRAY_COUNT(args), 0) < 0) {
        http_respond_error(req, 503, NULL);
    }
}

int routes_misuse_add(struct router *router, struct health *health)
{
    static const struct {
        enum http_method method;
        const char *path;
        route_handler_fn handler;
        unsigned flags;
    } rows[] = {
        {METHOD_GET, "/test/misuse/field", handle_field, 0},
        {METHOD_POST, "/test/misuse/field", handle_field, ROUTE_STREAM},
        {METHOD_GET, "/test/misuse/forget", handle_forget, 0},
        {METHOD_GET, "/test/misuse/forget-cancel", handle_forget_cancel, 0},
        {METHOD_GET, "/test/misuse/query-on-stack", handle_query_on_stack, 0},
        {METHOD_GET, "/test/misuse/command-on-stack", handle_command_on_stack, 0},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_COUNT(rows); i++) {
        rc = router_add(router, rows[i].method, rows[i].path, rows[i].handler, health,
                        rows[i].flags);
    }
    return rc;
}
