/* SPDX-License-Identifier: MIT
 *
 * clock.c - a gRPC service that streams without an end, until its client leaves or the server
 * stops.
 *
 * Drain: the stream ends itself. Methods that have an end of their own come to it.
 */
#include "core/app/app_module.h"
#include "toq/example/v1/bells.pb-c.h"

#define INTERVAL_MS 100

/* One call, in its memory. */
struct listening {
    struct loop *loop;
    struct wheel_timer timer;
    struct task_ref ref;
    uint32_t ticks;
};

static void send_tick(struct grpc_call *call, void *arg)
{
    struct listening *listening = arg;
    Toq__Example__V1__Tick tick = TOQ__EXAMPLE__V1__TICK__INIT;
    tick.number = ++listening->ticks;
    if (grpc_send(call, &tick.base)) { /* else on_writable goes on */
        listening->ref = grpc_wait(call, "clock");
        loop_set_timer(listening->loop, &listening->timer, INTERVAL_MS);
    }
}

static void on_timer(struct wheel_timer *timer)
{
    struct listening *listening = CONTAINER_OF(timer, struct listening, timer);
    (void)grpc_resume(listening->ref, send_tick, listening);
}

static void on_writable(struct grpc_call *call)
{
    send_tick(call, grpc_user(call));
}

/* on_cancel stops what is the handler's own; the call ends by itself. */
static void on_cancel(struct grpc_call *call, int status)
{
    struct listening *listening = grpc_user(call);
    (void)status;
    wheel_unset(&listening->timer);
}

static void on_drain(struct grpc_call *call)
{
    on_cancel(call, UV_ECANCELED);
    grpc_end(call, GRPC_STATUS(GRPC_UNAVAILABLE, "the server stops"));
}

static void handle_listen(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    const struct app_context *context = arg;
    struct listening *listening = grpc_alloc(call, sizeof(*listening));
    (void)message;
    if (listening == NULL) {
        grpc_fail(call, UV_ENOMEM);
        return;
    }
    *listening = (struct listening){.loop = context->loops[APP_TRAFFIC_SIDE]};
    wheel_timer_init(&listening->timer, on_timer);
    grpc_set_user(call, listening);
    grpc_on_cancel(call, on_cancel);
    grpc_on_writable(call, on_writable);
    grpc_on_drain(call, on_drain);
    send_tick(call, listening);
}

static const struct grpc_method methods[] = {
    {"Listen", GRPC_SERVER_WATCH, handle_listen},
};

static const struct grpc_service services[] = {
    {.descriptor = &toq__example__v1__clock__descriptor, .methods = methods, .method_count = 1},
};

const struct app_module example_clock = {.name = "clock", .services = services, .service_count = 1};
