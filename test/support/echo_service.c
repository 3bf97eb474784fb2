/* SPDX-License-Identifier: MIT
 *
 * echo_service.c - toq.test.v1.Echo: calls of all four kinds that do what the request says.
 */
#include "core/http/server.h"
#include "google/rpc/status.pb-c.h"
#include "handlers/grpc/grpc_module.h"
#include <stdlib.h>

#include "test/support/interop_service.h"
#include "test/support/test_module.h"
#include "toq/test/v1/echo.pb-c.h"

#define GIVE_UP_MS 200 /* how long a call takes that is slow to give up */

extern const unsigned char test_descriptors[];
extern const size_t test_descriptors_len;

typedef Toq__Test__V1__EchoRequest echo_request;
typedef Toq__Test__V1__EchoReply echo_reply;

/* One call. */
struct echo {
    struct grpc_call *call;
    const echo_request *request; /* NULL in client streams */
    struct wheel_timer timer;
    uint64_t total;
    char *payload; /* of replies that are as big as the request says */
    size_t payload_cap;
    bool is_slow_to_give_up;
    bool is_timed; /* the timer is to fire */
};

static const struct task_waker timer_waker = {.kind = "timer"};

static Toq__Test__V1__Counts counts = TOQ__TEST__V1__COUNTS__INIT;

static void set_timer(struct echo *echo, uint64_t timeout_ms,
                      void (*on_fire)(struct wheel_timer *timer))
{
    wheel_timer_init(&echo->timer, on_fire);
    loop_set_timer(grpc_request(echo->call)->server->loop, &echo->timer, timeout_ms);
    if (!echo->is_timed) {
        echo->is_timed = true;
        task_await(&grpc_request(echo->call)->task, timer_waker);
    }
    task_park(&grpc_request(echo->call)->task, "sleep");
}

static void end_timer(struct echo *echo)
{
    wheel_unset(&echo->timer);
    if (echo->is_timed) {
        echo->is_timed = false;
        task_awaited(&grpc_request(echo->call)->task, timer_waker);
    }
}

static struct echo *fired(struct wheel_timer *timer)
{
    struct echo *echo = CONTAINER_OF(timer, struct echo, timer);
    end_timer(echo);
    return echo;
}

/* --- the end --- */

static void end(struct echo *echo, struct grpc_status status)
{
    free(echo->payload);
    end_timer(echo);
    grpc_end(echo->call, status);
}

static void on_given_up(struct wheel_timer *timer)
{
    struct echo *echo = fired(timer);
    struct grpc_call *call = echo->call;
    end(echo, GRPC_STATUS(GRPC_OK, "too late"));
    grpc_release(call);
}

static void on_cancel(struct grpc_call *call, int status)
{
    struct echo *echo = grpc_user(call);
    *(status == UV_ETIMEDOUT ? &counts.timed_out : &counts.cancelled) += 1;
    end_timer(echo);
    if (echo->is_slow_to_give_up) {
        http_hold(grpc_request(call)); /* it is still to end it */
        set_timer(echo, GIVE_UP_MS, on_given_up);
    } else {
        end(echo, GRPC_STATUS(GRPC_CANCELLED, "cancelled"));
    }
}

/* end_as_asked ends the call with the status that a request names. */
static void end_as_asked(struct echo *echo, const echo_request *request)
{
    if (request->is_error) {
        free(echo->payload);
        grpc_fail(echo->call, -(int)request->code);
        return;
    }
    Google__Rpc__Status *details = NULL;
    if (request->detail.len > 0) {
        details = google__rpc__status__unpack(NULL, request->detail.len, request->detail.data);
    }
    end(echo, (struct grpc_status){(enum grpc_code)request->code, str_from(request->message),
                                   details == NULL ? NULL : &details->base});
    google__rpc__status__free_unpacked(details, NULL);
}

/* --- replies --- */

static void make_reply(struct echo *echo, const echo_request *request, echo_reply *reply)
{
    toq__test__v1__echo_reply__init(reply);
    reply->payload = request->payload;
    reply->was_compressed = grpc_is_compressed(echo->call);
    if (request->size > 0) {
        if (request->size > echo->payload_cap) {
            free(echo->payload);
            echo->payload = calloc(1, request->size);
            echo->payload_cap = echo->payload == NULL ? 0 : request->size;
        }
        reply->payload = (ProtobufCBinaryData){echo->payload_cap == 0 ? 0 : request->size,
                                               (void *)echo->payload};
    }
    if (request->compression != TOQ__TEST__V1__COMPRESSION__COMPRESSION_DEFAULT) {
        grpc_compress(echo->call,
                      request->compression == TOQ__TEST__V1__COMPRESSION__COMPRESSION_ON);
    }
}

static struct echo *start(struct grpc_call *call, const ProtobufCMessage *request)
{
    struct echo *echo = grpc_alloc(call, sizeof(*echo));
    if (echo == NULL) {
        grpc_fail(call, UV_ENOMEM);
        return NULL;
    }
    *echo = (struct echo){.call = call, .request = (const echo_request *)request};
    echo->is_slow_to_give_up = request != NULL && echo->request->is_slow_to_give_up;
    wheel_timer_init(&echo->timer, NULL);
    const struct str initial = grpc_metadata(call, STR("x-echo-initial"), 0);
    int rc = initial.ptr == NULL ? 0 : grpc_add_header(call, STR("x-echo-initial"), initial);
    for (size_t i = 0; rc == 0; i++) {
        const struct str trailing = grpc_metadata(call, STR("x-echo-trailing-bin"), i);
        if (trailing.ptr == NULL) {
            break;
        }
        rc = grpc_add_trailer(call, STR("x-echo-trailing-bin"), trailing);
    }
    if (rc < 0) {
        grpc_fail(call, rc);
        return NULL;
    }
    grpc_set_user(call, echo);
    grpc_on_cancel(call, on_cancel);
    return echo;
}

/* --- Unary --- */

static void answer(struct echo *echo)
{
    echo_reply reply;
    const bool ends_twice = echo->request->ends_twice;
    if (echo->request->code != 0) {
        end_as_asked(echo, echo->request);
        if (ends_twice) {
            grpc_end(echo->call, GRPC_STATUS(GRPC_OK, "again"));
        }
        return;
    }
    make_reply(echo, echo->request, &reply);
    char *payload = echo->payload;
    grpc_respond(echo->call, &reply.base);
    if (ends_twice) {
        grpc_respond(echo->call, &reply.base);
    }
    free(payload);
}

static void on_slept(struct wheel_timer *timer)
{
    struct echo *echo = fired(timer);
    task_unpark(&grpc_request(echo->call)->task);
    answer(echo);
}

static void handle_unary(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)arg;
    const echo_request *request = (const echo_request *)message;
    struct echo *echo = start(call, message);
    if (echo == NULL) {
        return;
    }
    if (request->is_stuck) {
        (void)grpc_wait(call, "stuck"); /* its cancel */
    } else if (request->sleep_ms > 0) {
        set_timer(echo, request->sleep_ms, on_slept);
    } else {
        answer(echo);
    }
}

/* --- Collect: bytes of all payloads --- */

static void collect(struct grpc_call *call, const ProtobufCMessage *message);

static void collect_more(struct wheel_timer *timer)
{
    grpc_receive(fired(timer)->call, collect);
}

static void collect(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct echo *echo = grpc_user(call);
    const echo_request *request = (const echo_request *)message;
    if (request == NULL) {
        echo_reply reply = TOQ__TEST__V1__ECHO_REPLY__INIT;
        reply.total = echo->total;
        reply.was_compressed = grpc_is_compressed(call);
        grpc_respond(call, &reply.base);
        return;
    }
    counts.received++;
    echo->is_slow_to_give_up = request->is_slow_to_give_up;
    echo->total += request->payload.len;
    if (request->code != 0) {
        end_as_asked(echo, request);
    } else if (request->sleep_ms > 0) {
        set_timer(echo, request->sleep_ms, collect_more);
    } else {
        grpc_receive(call, collect);
    }
}

static void handle_collect(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)arg;
    if (start(call, message) != NULL) {
        grpc_receive(call, collect);
    }
}

/* --- Spread: as many replies as asked for --- */

static void spread(struct grpc_call *call);

static void spread_more(struct wheel_timer *timer)
{
    spread(fired(timer)->call);
}

/* spread sends all that there is room for; with sleep_ms, which is for few, one in so long, room or
 * no room. */
static void spread(struct grpc_call *call)
{
    struct echo *echo = grpc_user(call);
    const echo_request *request = echo->request;
    echo_reply reply;
    while (echo->total < request->count) {
        make_reply(echo, request, &reply);
        reply.total = echo->total++;
        counts.sent++;
        const bool has_room = grpc_send(call, &reply.base);
        if (request->sleep_ms > 0) {
            set_timer(echo, request->sleep_ms, spread_more);
            return;
        }
        if (!has_room) {
            return;
        }
    }
    if (request->is_stuck) {
        (void)grpc_wait(call, "stuck");
    } else {
        end_as_asked(echo, request);
    }
}

static void handle_spread(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)arg;
    if (start(call, message) != NULL) {
        if (((const echo_request *)message)->sleep_ms == 0) {
            grpc_on_writable(call, spread);
        }
        spread(call);
    }
}

/* --- Chat: a reply to each message --- */

static void chat(struct grpc_call *call, const ProtobufCMessage *message);

static void chat_on(struct grpc_call *call)
{
    grpc_on_writable(call, NULL);
    grpc_receive(call, chat);
}

static void chat_later(struct wheel_timer *timer)
{
    grpc_receive(fired(timer)->call, chat);
}

static void chat(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct echo *echo = grpc_user(call);
    const echo_request *request = (const echo_request *)message;
    if (request == NULL) {
        end(echo, (struct grpc_status){0});
        return;
    }
    counts.received++;
    echo->is_slow_to_give_up = request->is_slow_to_give_up;
    if (request->code != 0) {
        end_as_asked(echo, request);
        return;
    }
    echo_reply reply;
    make_reply(echo, request, &reply);
    reply.total = echo->total++;
    const uint32_t sleep_ms = request->sleep_ms;
    const bool has_room = grpc_send(call, &reply.base);
    if (sleep_ms > 0) {
        set_timer(echo, sleep_ms, chat_later);
    } else if (has_room) {
        grpc_receive(call, chat);
    } else {
        grpc_on_writable(call, chat_on);
    }
}

static void handle_chat(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)arg;
    if (start(call, message) != NULL) {
        grpc_receive(call, chat);
    }
}

static void handle_counts(struct grpc_call *call, const ProtobufCMessage *message, void *arg)
{
    (void)message;
    (void)arg;
    grpc_respond(call, &counts.base);
}

/* --- the table --- */

int echo_service_mount(struct grpc *grpc, const struct app_context *context)
{
    static const struct grpc_method methods[] = {
        {"Unary", GRPC_UNARY, handle_unary, METHOD_POST, "/test/calls"},
        {"Collect", GRPC_CLIENT_STREAM, handle_collect},
        {"Spread", GRPC_SERVER_STREAM, handle_spread},
        {"Chat", GRPC_BIDI_STREAM, handle_chat},
        {"ReadCounts", GRPC_UNARY, handle_counts, METHOD_GET, "/test/calls"},
    };
    const struct grpc_service service = {&toq__test__v1__echo__descriptor, methods,
                                         ARRAY_COUNT(methods), NULL, false};
    int rc = grpc_add_service(grpc, &service);
    rc = rc < 0 ? rc : interop_service_mount(grpc);
    return rc < 0 ? rc
                  : grpc_reflection_add(grpc_module_reflection(context), test_descriptors,
                                        test_descriptors_len);
}
