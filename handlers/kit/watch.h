/* SPDX-License-Identifier: MIT
 *
 * watch.h - a gRPC stream of the news of one channel of Redis: a method of GRPC_SERVER_WATCH.
 *
 *     watch_start(call, context, &(struct watch_spec){.prefix = "toq:notices:",
 *                                                     .name = board,
 *                                                     .on_ready = send_ready,
 *                                                     .on_news = send_notice});
 *     watch_publish(context, "toq:notices:", board, text);
 *
 * Flow:    watch_start -> SUBSCRIBE -> on_ready -> on_news ... until the client leaves
 * Failure: the call ends with UNAVAILABLE without a connection to Redis, when Redis has not
 *          confirmed the channel within WATCH_READY_MS, when the connection is lost, because news
 *          may be lost with it, and when the server stops. It ends with RESOURCE_EXHAUSTED when
 *          more news come for a client that has not taken what was sent: grpc_send has said so. A
 *          client that gets either reads again what it watches, then watches again. A name that is
 *          too long is an INVALID_ARGUMENT.
 * Order:   news come in the order in which Redis got them. What is published after on_ready is not
 *          missed; so a client that is told of it, and reads then, misses nothing. A change is
 *          published once it is committed.
 * Memory:  a watch lies in its call's.
 * Thread:  the work loop.
 */
#ifndef TOQ_HANDLERS_KIT_WATCH_H
#define TOQ_HANDLERS_KIT_WATCH_H

#include "core/app/app_module.h"
#include "handlers/kit/name.h"

#define WATCH_READY_MS 2000

/* Both functions run as callbacks of the call, which they may end, as by grpc_fail. */
struct watch_spec {
    const char *prefix; /* of the channel, a literal: the module's own */
    struct str name;    /* the rest of it, NAME_REST_MAX bytes at most; copied */
    void (*on_ready)(struct grpc_call *call, void *arg); /* once, first; NULL: nobody is told */
    /* news: a message of the channel, borrowed until it returns */
    void (*on_news)(struct grpc_call *call, struct str news, void *arg);
    void *arg; /* lives as long as the call */
};

/* watch_start watches for a call, whose handler does no more about it. The call's user pointer,
 * on_cancel, on_writable and on_drain are the watch's.
 *
 * spec: copied.
 */
void watch_start(struct grpc_call *call, const struct app_context *context,
                 const struct watch_spec *spec);

/* watch_publish gives news to all who watch a channel, at whichever process; nobody hears whether
 * they reached Redis. What has changed is committed by then.
 *
 * prefix, name: the channel's, as in a watch_spec.
 */
void watch_publish(const struct app_context *context, const char *prefix, struct str name,
                   struct str news);

/* watch_send sends a message, from on_ready or on_news; to a client that is too slow for it, it
 * ends the call instead. Harmless when that has ended. */
void watch_send(struct grpc_call *call, const struct ProtobufCMessage *message);

/* watch_stop ends the subscription, for a call that is then ended outside of on_ready and
 * on_news. */
void watch_stop(struct grpc_call *call);

#endif
