/* SPDX-License-Identifier: MIT
 *
 * notices.c - news for all who watch, at whichever process of the server: Redis hands them on.
 *
 *     grpcurl -plaintext -d '{"name": "door"}' localhost:50051 toq.example.v1.Notices/Watch
 *     curl -X POST 'localhost:8080/notices/door?text=closed'
 */
#include "core/app/app_module.h"
#include "handlers/kit/watch.h"
#include "toq/example/v1/notices.pb-c.h"

#define PREFIX "toq:notices:" /* of the channels, one for each board */

/* --- HTTP: a notice --- */

static void handle_post(struct http_request *req, void *arg)
{
    struct str text;
    if (!http_query_get(req, STR("text"), &text)) {
        http_respond_error(req, 400, "text: what is to be told");
        return;
    }
    watch_publish(arg, PREFIX, req->params[0], text);
    http_respond_text(req, 202, "told\n");
}

static const struct route_row routes[] = {
    {METHOD_POST, "/notices/:board", handle_post, 0},
};

/* --- gRPC: those who watch --- */

static void send_ready(struct grpc_call *call, void *arg)
{
    Toq__Example__V1__Notice notice = TOQ__EXAMPLE__V1__NOTICE__INIT;
    (void)arg;
    notice.is_ready = true;
    watch_send(call, &notice.base);
}

static void send_notice(struct grpc_call *call, struct str text, void *arg)
{
    Toq__Example__V1__Notice notice = TOQ__EXAMPLE__V1__NOTICE__INIT;
    (void)arg;
    notice.text = GRPC_BYTES(text);
    watch_send(call, &notice.base);
}

static void handle_watch(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    const Toq__Example__V1__Board *board = (const Toq__Example__V1__Board *)message;
    watch_start(call, arg,
                &(struct watch_spec){.prefix = PREFIX,
                                     .name = str_from(board->name),
                                     .on_ready = send_ready,
                                     .on_news = send_notice});
}

static const struct grpc_method methods[] = {
    {"Watch", GRPC_SERVER_WATCH, handle_watch},
};

static const struct grpc_service services[] = {
    {.descriptor = &toq__example__v1__notices__descriptor, .methods = methods, .method_count = 1},
};

const struct app_module example_notices = {.name = "notices",
                                           .routes = routes,
                                           .route_count = ARRAY_COUNT(routes),
                                           .services = services,
                                           .service_count = 1};
