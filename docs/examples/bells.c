/* SPDX-License-Identifier: MIT
 *
 * bells.c - a gRPC service: one message each, a stream of the client's, streams of both sides.
 * clock.c has a stream of the server's. The method of one message each is a route of HTTP as well.
 *
 *     curl localhost:8080/bells/3
 */
#include <stdio.h>

#include "core/app/app_module.h"
#include "toq/example/v1/bells.pb-c.h"

typedef Toq__Example__V1__Rope rope;

/* make_sound writes the text, which the reply points at. */
static Toq__Example__V1__Sound make_sound(uint32_t pulls, char text[32])
{
    Toq__Example__V1__Sound sound = TOQ__EXAMPLE__V1__SOUND__INIT;
    (void)snprintf(text, 32, "ding x %u", pulls);
    sound.text = text;
    return sound;
}

static void handle_ring(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    char text[32];
    const Toq__Example__V1__Sound sound = make_sound(((const rope *)message)->pulls, text);
    (void)arg;
    grpc_respond(call, &sound.base);
}

/* --- Count: the client's stream, one message after the other; then one answer --- */

static void on_counted(struct grpc_call *call, const ProtobufCMessage *message)
{
    rope *total = grpc_user(call);
    if (message == NULL) {
        grpc_respond(call, &total->base);
        return;
    }
    total->pulls += ((const rope *)message)->pulls;
    grpc_receive(call, on_counted);
}

static void handle_count(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    rope *total = grpc_alloc(call, sizeof(*total));
    (void)message;
    (void)arg;
    if (total == NULL) {
        grpc_fail(call, UV_ENOMEM);
        return;
    }
    toq__example__v1__rope__init(total);
    grpc_set_user(call, total);
    grpc_receive(call, on_counted);
}

/* --- Chime: both sides stream; the next message is asked for when the client takes answers --- */

static void on_pulled(struct grpc_call *call, const ProtobufCMessage *message);

static void on_chime_writable(struct grpc_call *call)
{
    grpc_receive(call, on_pulled);
}

static void on_pulled(struct grpc_call *call, const ProtobufCMessage *message)
{
    char text[32];
    if (message == NULL) {
        grpc_end(call, (struct grpc_status){.code = GRPC_OK});
        return;
    }
    const Toq__Example__V1__Sound sound = make_sound(((const rope *)message)->pulls, text);
    if (grpc_send(call, &sound.base)) {
        grpc_receive(call, on_pulled);
    }
}

static void handle_chime(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    grpc_on_writable(call, on_chime_writable);
    grpc_receive(call, on_pulled);
}

static const struct grpc_method methods[] = {
    {"Ring", GRPC_UNARY, handle_ring, METHOD_GET, "/bells/:pulls"},
    {"Count", GRPC_CLIENT_STREAM, handle_count},
    {"Chime", GRPC_BIDI_STREAM, handle_chime},
};

static const struct grpc_service services[] = {
    {.descriptor = &toq__example__v1__bells__descriptor, .methods = methods, .method_count = 3},
};

const struct app_module example_bells = {.name = "bells", .services = services, .service_count = 1};
