/* SPDX-License-Identifier: MIT
 *
 * notices.c - news for all who watch, at whichever process of the server: Redis hands them on.
 *
 *     grpcurl -plaintext -d '{"name": "door"}' localhost:50051 toq.example.v1.Notices/Watch
 *     curl -X POST 'localhost:8080/notices/door?text=closed'
 */
#include <stdio.h>

#include "core/app/app_module.h"
#include "handlers/kit/watch.h"
#include "toq/example/v1/notices.pb-c.h"

#define BOARD_MAX     64
#define CHANNEL_BYTES 96

/* make_channel names a board's channel. Returns: false: it is no board's name. */
static bool make_channel(struct str board, char out[CHANNEL_BYTES], struct str *ret_channel)
{
    const int len = snprintf(out, CHANNEL_BYTES, "toq:notices:%" STR_FMT, STR_ARG(board));
    *ret_channel = (struct str){out, (size_t)len};
    return board.len > 0 && board.len <= BOARD_MAX;
}

/* --- HTTP: a notice --- */

static void on_told(void *arg, int status, const struct redis_reply *reply)
{
    struct http_request *req = arg;
    if (status < 0) {
        http_fail(req, status);
        return;
    }
    http_respond_text(req, 200, "%lld processes hear of it\n", (long long)reply->integer);
}

static void handle_post(struct http_request *req, void *arg)
{
    const struct app_context *context = arg;
    char name[CHANNEL_BYTES];
    struct str channel;
    struct str text;
    if (!make_channel(req->params[0], name, &channel) || !http_query_get(req, STR("text"), &text)) {
        http_respond_error(req, 400, "a board of up to 64 bytes, and ?text=");
        return;
    }
    redis_ask(context->redis, http_ref(req), &REDIS_COMMAND(STR("PUBLISH"), channel, text), on_told,
              req);
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
    char name[CHANNEL_BYTES];
    struct watch_spec spec = {.on_ready = send_ready, .on_news = send_notice};
    if (!make_channel(str_from(board->name), name, &spec.channel)) {
        grpc_end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT, "name: 1 to 64 bytes"));
        return;
    }
    watch_start(call, arg, &spec);
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
