/* SPDX-License-Identifier: MIT
 *
 * watch.c - a subscription a call, from its handler to its end.
 */
#include "handlers/kit/watch.h"

static const struct grpc_status away = {GRPC_UNAVAILABLE, STR("Redis is away"), NULL};

/* One call's, in its memory. */
struct watch {
    struct watch_spec spec;
    struct task_ref ref;
    struct redis_subscription sub;
    struct wheel_timer timeout; /* of Redis, until it has confirmed the channel */
    struct str news;            /* while they are told */
    bool is_slow;               /* the client has not taken what was sent */
};

/* --- the end --- */

void watch_stop(struct grpc_call *call)
{
    struct watch *watch = grpc_user(call);
    redis_unsubscribe(&watch->sub);
    wheel_unset(&watch->timeout);
}

static void end(struct grpc_call *call, struct grpc_status status)
{
    watch_stop(call);
    grpc_end(call, status);
}

static void on_cancel(struct grpc_call *call, int status)
{
    (void)status;
    watch_stop(call);
}

static void on_drain(struct grpc_call *call)
{
    end(call, grpc_status_of(UV_ECANCELED));
}

/* --- what is told --- */

static bool has_ended(struct grpc_call *call)
{
    return grpc_request(call)->life > HTTP_STREAMING;
}

static void on_writable(struct grpc_call *call)
{
    struct watch *watch = grpc_user(call);
    watch->is_slow = false;
    task_park(&grpc_request(call)->task, "watch");
}

void watch_send(struct grpc_call *call, const struct ProtobufCMessage *message)
{
    struct watch *watch = grpc_user(call);
    if (has_ended(call)) {
        return;
    }
    if (watch->is_slow) {
        end(call, GRPC_STATUS(GRPC_RESOURCE_EXHAUSTED, "too slow: read again, then watch again"));
        return;
    }
    watch->is_slow = !grpc_send(call, message);
}

/* wait_on waits for what comes next, unless the caller's function has ended the call. */
static void wait_on(struct grpc_call *call, struct watch *watch)
{
    if (has_ended(call)) {
        watch_stop(call);
    } else {
        watch->ref = grpc_wait(call, "watch");
    }
}

static void tell_ready(struct grpc_call *call, void *arg)
{
    struct watch *watch = arg;
    wheel_unset(&watch->timeout);
    if (watch->spec.on_ready != NULL) {
        watch->spec.on_ready(call, watch->spec.arg);
    }
    wait_on(call, watch);
}

static void tell_news(struct grpc_call *call, void *arg)
{
    struct watch *watch = arg;
    watch->spec.on_news(call, watch->news, watch->spec.arg);
    wait_on(call, watch);
}

static void tell_lost(struct grpc_call *call, void *arg)
{
    (void)arg;
    end(call, GRPC_STATUS(GRPC_UNAVAILABLE, "changes may be lost: read again, then watch again"));
}

static void tell_away(struct grpc_call *call, void *arg)
{
    (void)arg;
    end(call, away);
}

/* --- what Redis says --- */

static void on_message(struct redis_subscription *sub, struct str channel, struct str payload)
{
    struct watch *watch = CONTAINER_OF(sub, struct watch, sub);
    (void)channel;
    if (sub->is_live) { /* else it is for others, who were ready before */
        watch->news = payload;
        (void)grpc_resume(watch->ref, tell_news, watch);
    }
}

static void on_live(struct redis_subscription *sub, bool is_live)
{
    struct watch *watch = CONTAINER_OF(sub, struct watch, sub);
    (void)grpc_resume(watch->ref, is_live ? tell_ready : tell_lost, watch);
}

static void on_timeout(struct wheel_timer *timer)
{
    struct watch *watch = CONTAINER_OF(timer, struct watch, timeout);
    (void)grpc_resume(watch->ref, tell_away, watch);
}

/* --- the beginning --- */

void watch_start(struct grpc_call *call, const struct app_context *context,
                 const struct watch_spec *spec)
{
    struct watch *watch = grpc_alloc(call, sizeof(*watch));
    struct str channel;
    if (spec->name.len > NAME_REST_MAX) {
        grpc_end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT, "the name is too long"));
        return;
    }
    if (!redis_pubsub_is_ready(context->pubsub)) {
        grpc_end(call, away);
        return;
    }
    if (watch == NULL ||
        !name_join(&grpc_request(call)->arena, spec->prefix, spec->name, &channel)) {
        grpc_fail(call, UV_ENOMEM);
        return;
    }
    *watch = (struct watch){
        .spec = *spec,
        .sub = {.channel = channel, .on_message = on_message, .on_live = on_live},
    };
    wheel_timer_init(&watch->timeout, on_timeout);
    grpc_set_user(call, watch);
    grpc_on_cancel(call, on_cancel);
    grpc_on_writable(call, on_writable);
    grpc_on_drain(call, on_drain);
    watch->ref = grpc_wait(call, "watch");
    loop_set_timer(context->loops[APP_TRAFFIC_SIDE], &watch->timeout, WATCH_READY_MS);
    redis_subscribe(context->pubsub, &watch->sub);
}

/* --- news --- */

void watch_publish(const struct app_context *context, const char *prefix, struct str name,
                   struct str news)
{
    struct arena arena;
    struct str channel;
    arena_init(&arena, NAME_ARENA_BYTES);
    if (name_join(&arena, prefix, name, &channel)) {
        redis_tell(context->redis, &REDIS_COMMAND(STR("PUBLISH"), channel, news));
    }
    arena_deinit(&arena);
}
