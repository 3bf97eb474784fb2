/* SPDX-License-Identifier: MIT
 *
 * redis_pubsub.h - messages from Redis' channels, over a connection of its own that subscribes
 * again after each reconnect.
 *
 * Flow:    redis_pubsub_open -> redis_subscribe -> on_live(true) -> on_message ... -> connection
 *          lost: on_live(false) -> back: on_live(true) ...
 * Failure: Redis keeps no messages for clients that are not connected. Messages published between
 *          on_live(false) and on_live(true) are lost, so a cache that they invalidate must be
 *          emptied at on_live(true).
 * Thread:  the loop.
 */
#ifndef TOQ_CORE_REDIS_REDIS_PUBSUB_H
#define TOQ_CORE_REDIS_REDIS_PUBSUB_H

#include "core/loop/loop.h"
#include "core/redis/redis_options.h"

struct redis_pubsub;

/* A subscription, in the caller's memory until redis_unsubscribe or the pubsub's on_closed. Its
 * callbacks may subscribe and unsubscribe any subscription. */
struct redis_subscription {
    struct str channel; /* borrowed until then */
    bool is_pattern;    /* PSUBSCRIBE: channel has *, ? and [] */
    void (*on_message)(struct redis_subscription *sub, struct str channel,
                       struct str payload); /* both borrowed until it returns */
    void (*on_live)(struct redis_subscription *sub, bool is_live); /* may be NULL */
    struct redis_pubsub *pubsub;                                   /* NULL unless subscribed */
    struct list link;
    uint64_t walk;  /* number of the last walk that has visited it */
    uint64_t after; /* so many UNSUBSCRIBE commands were sent before its SUBSCRIBE */
    bool is_live;   /* the server has confirmed it on this connection */
};

/* redis_pubsub_open makes a client and starts to connect.
 *
 * options: as redis_open has them.
 * Returns: 0 with *ret_pubsub set; UV_ENOMEM.
 */
MUST_USE int redis_pubsub_open(struct loop *loop, const struct redis_options *options,
                               struct redis_pubsub **ret_pubsub);

/* redis_pubsub_close closes the connection and frees the client; no callback of a subscription runs
 * any more. on_closed runs last, later. */
void redis_pubsub_close(struct redis_pubsub *pubsub, void (*on_closed)(void *arg), void *arg);

/* redis_subscribe subscribes to a channel, now or when there is a connection, and again after each
 * reconnect. Several subscriptions may have the same channel; each gets its messages. No callback
 * runs inside it. Callbacks run without a current task: http_resume resumes a request that waits
 * for a message.
 *
 * sub: everything up to on_live is set, the rest is zero.
 */
void redis_subscribe(struct redis_pubsub *pubsub, struct redis_subscription *sub);

/* redis_unsubscribe ends a subscription at once; harmless when it is not subscribed. */
void redis_unsubscribe(struct redis_subscription *sub);

/* redis_pubsub_is_ready tells whether the connection is ready. */
bool redis_pubsub_is_ready(const struct redis_pubsub *pubsub);

/* redis_pubsub_register_metrics adds the connection's series.
 *
 * Owns:    as redis_register_metrics.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int redis_pubsub_register_metrics(struct redis_pubsub *pubsub, struct metrics *metrics);

#endif
