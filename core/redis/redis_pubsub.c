/* SPDX-License-Identifier: MIT
 *
 * redis_pubsub.c - subscriptions over a connection that reconnects.
 *
 * They lie in a hash table by their channels, because each of many streams may have one.
 */
#include "core/redis/redis_pubsub.h"

#include <stdlib.h>

#include "core/redis/redis_conn.h"
#include "core/redis/redis_metrics.h"
#include "core/telemetry/log_limit.h"

#define BUCKET_COUNT 1024 /* a power of two */

struct redis_pubsub {
    struct redis_conn conn;
    struct list buckets[BUCKET_COUNT]; /* of subscriptions, by their channel */
    uint64_t walk;                     /* number of the last walk */
    uint64_t unsubscribe_count;        /* UNSUBSCRIBE commands sent on this connection */
    uint64_t unsubscribed_count;       /* ... that the server has answered */
    void (*on_closed)(void *arg);      /* set by redis_pubsub_close */
    void *on_closed_arg;
    bool is_closing;
};

/* An event, and the channel whose subscriptions get it. */
struct news {
    bool is_pattern;
    struct str channel; /* as subscribed */
    struct str source;  /* as published */
    struct str payload;
};

typedef void (*tell_fn)(struct redis_subscription *sub, const struct news *news);

static struct list *bucket_of(struct redis_pubsub *pubsub, struct str channel)
{
    return &pubsub->buckets[str_hash(channel) % BUCKET_COUNT];
}

/* walk calls `tell` for each subscription of a bucket that was there when it began, even if
 * callbacks change the list: a visited subscription moves to the end, where new ones are added,
 * too. */
static void walk(struct redis_pubsub *pubsub, struct list *bucket, const struct news *news,
                 tell_fn tell)
{
    const uint64_t number = ++pubsub->walk;
    while (!list_is_empty(bucket) && !pubsub->is_closing) {
        struct redis_subscription *sub =
            CONTAINER_OF(bucket->next, struct redis_subscription, link);
        if (sub->walk >= number) {
            return; /* it was visited, or is new, or the connection was lost meanwhile */
        }
        sub->walk = number;
        list_unlink(&sub->link);
        list_push_back(bucket, &sub->link);
        tell(sub, news);
    }
}

static void walk_channel(struct redis_pubsub *pubsub, const struct news *news, tell_fn tell)
{
    walk(pubsub, bucket_of(pubsub, news->channel), news, tell);
}

static void set_live(struct redis_subscription *sub, bool is_live)
{
    const bool is_news = sub->is_live != is_live;
    sub->is_live = is_live;
    if (is_news && sub->on_live != NULL) {
        sub->on_live(sub, is_live);
    }
}

static bool is_about(const struct redis_subscription *sub, const struct news *news)
{
    return sub->is_pattern == news->is_pattern && str_equal(sub->channel, news->channel);
}

/* tell_confirmed makes a subscription live, unless the answer is that of an earlier one which an
 * UNSUBSCRIBE has ended since: the server answers commands in their order. */
static void tell_confirmed(struct redis_subscription *sub, const struct news *news)
{
    if (is_about(sub, news) && sub->pubsub->unsubscribed_count >= sub->after) {
        set_live(sub, true);
    }
}

static void tell_lost(struct redis_subscription *sub, const struct news *news)
{
    (void)news;
    set_live(sub, false);
}

static void tell_message(struct redis_subscription *sub, const struct news *news)
{
    if (is_about(sub, news)) {
        sub->on_message(sub, news->source, news->payload);
    }
}

/* --- the connection --- */

static void send_command(struct redis_pubsub *pubsub, const struct str *args, size_t count)
{
    if (!redis_conn_is_ready(&pubsub->conn)) {
        return; /* on_ready sends the subscriptions of that time */
    }
    const int status = redis_conn_write(&pubsub->conn, args, count);
    if (status < 0) {
        redis_conn_drop(&pubsub->conn, status,
                        STR("")); /* the next one starts from a clean slate */
    }
}

static void send_subscribe(struct redis_pubsub *pubsub, const struct redis_subscription *sub)
{
    const struct str args[] = {sub->is_pattern ? STR("PSUBSCRIBE") : STR("SUBSCRIBE"),
                               sub->channel};
    send_command(pubsub, args, ARRAY_COUNT(args));
}

static struct redis_pubsub *owner_of(struct redis_conn *rc)
{
    return CONTAINER_OF(rc, struct redis_pubsub, conn);
}

static void on_ready(struct redis_conn *rc)
{
    struct redis_pubsub *pubsub = owner_of(rc);
    pubsub->unsubscribe_count = 0;
    pubsub->unsubscribed_count = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        struct list *pos;
        struct list *tmp;
        LIST_FOR_EACH(pos, tmp, &pubsub->buckets[i])
        {
            struct redis_subscription *sub = CONTAINER_OF(pos, struct redis_subscription, link);
            sub->after = 0;
            send_subscribe(pubsub, sub);
        }
    }
}

static void on_lost(struct redis_conn *rc, int status)
{
    struct redis_pubsub *pubsub = owner_of(rc);
    const struct news news = {0};
    (void)status;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        walk(pubsub, &pubsub->buckets[i], &news, tell_lost);
    }
}

static void on_tick(struct redis_conn *rc)
{
    const struct str args[] = {STR("PING")};
    send_command(owner_of(rc), args, ARRAY_COUNT(args));
}

static struct str item(const struct redis_reply *reply, size_t i)
{
    const bool has_text = i < reply->count && reply->items[i].type == REDIS_TEXT;
    return has_text ? reply->items[i].text : STR("");
}

/* on_reply handles the server's pushes; it ignores the answers to PING. */
static void on_reply(struct redis_conn *rc, const struct redis_reply *reply)
{
    struct redis_pubsub *pubsub = owner_of(rc);
    struct str kind = item(reply, 0);
    const bool is_pattern = kind.len > 1 && kind.ptr[0] == 'p'; /* psubscribe, pmessage ... */
    const struct news news = {.is_pattern = is_pattern,
                              .channel = item(reply, 1),
                              .source = item(reply, is_pattern ? 2 : 1),
                              .payload = item(reply, is_pattern ? 3 : 2)};
    kind.ptr += is_pattern;
    kind.len -= is_pattern;
    if (reply->type == REDIS_ERROR) {
        LOG_LIMITED(LOG_WARN, "redis", "subscription refused", log_str("error", reply->text));
        pubsub->unsubscribed_count = pubsub->unsubscribe_count; /* it may have been one of those */
    } else if (str_equal(kind, STR("message"))) {
        walk_channel(pubsub, &news, tell_message);
    } else if (str_equal(kind, STR("subscribe"))) {
        walk_channel(pubsub, &news, tell_confirmed);
    } else if (str_equal(kind, STR("unsubscribe"))) {
        pubsub->unsubscribed_count++;
    }
}

static void on_conn_closed(struct redis_conn *rc)
{
    struct redis_pubsub *pubsub = owner_of(rc);
    void (*on_closed)(void *arg) = pubsub->on_closed;
    void *arg = pubsub->on_closed_arg;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        const struct list *bucket = &pubsub->buckets[i];
        while (!list_is_empty(bucket)) {
            redis_unsubscribe(CONTAINER_OF(bucket->next, struct redis_subscription, link));
        }
    }
    free(pubsub);
    if (on_closed != NULL) {
        on_closed(arg);
    }
}

/* --- what the owner calls --- */

int redis_pubsub_open(struct loop *loop, const struct redis_options *options,
                      struct redis_pubsub **ret_pubsub)
{
    static const struct redis_conn_events events = {
        .on_ready = on_ready,
        .on_reply = on_reply,
        .on_lost = on_lost,
        .on_tick = on_tick,
        .on_closed = on_conn_closed,
    };
    struct redis_pubsub *pubsub = calloc(1, sizeof(*pubsub));
    if (pubsub == NULL) {
        return UV_ENOMEM;
    }
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        list_init(&pubsub->buckets[i]);
    }
    const int status = redis_conn_open(&pubsub->conn, loop, options, "pubsub", &events);
    if (status < 0) {
        free(pubsub);
        return status;
    }
    *ret_pubsub = pubsub;
    return 0;
}

void redis_pubsub_close(struct redis_pubsub *pubsub, void (*on_closed)(void *arg), void *arg)
{
    pubsub->is_closing = true;
    pubsub->on_closed = on_closed;
    pubsub->on_closed_arg = arg;
    redis_conn_close(&pubsub->conn);
}

void redis_subscribe(struct redis_pubsub *pubsub, struct redis_subscription *sub)
{
    loop_require_lasting(pubsub->conn.loop, sub, "redis_subscribe");
    sub->pubsub = pubsub;
    sub->is_live = false;
    sub->walk = pubsub->walk;
    sub->after = pubsub->unsubscribe_count;
    list_push_back(bucket_of(pubsub, sub->channel), &sub->link);
    send_subscribe(pubsub, sub);
}

static bool is_shared(struct redis_pubsub *pubsub, const struct redis_subscription *gone)
{
    const struct news news = {.is_pattern = gone->is_pattern, .channel = gone->channel};
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, bucket_of(pubsub, gone->channel))
    {
        if (is_about(CONTAINER_OF(pos, struct redis_subscription, link), &news)) {
            return true;
        }
    }
    return false;
}

void redis_unsubscribe(struct redis_subscription *sub)
{
    struct redis_pubsub *pubsub = sub->pubsub;
    if (pubsub == NULL) {
        return;
    }
    list_unlink(&sub->link);
    sub->pubsub = NULL;
    if (!is_shared(pubsub, sub)) {
        const struct str args[] = {sub->is_pattern ? STR("PUNSUBSCRIBE") : STR("UNSUBSCRIBE"),
                                   sub->channel};
        pubsub->unsubscribe_count += redis_conn_is_ready(&pubsub->conn);
        send_command(pubsub, args, ARRAY_COUNT(args));
    }
}

bool redis_pubsub_is_ready(const struct redis_pubsub *pubsub)
{
    return redis_conn_is_ready(&pubsub->conn);
}

int redis_pubsub_register_metrics(struct redis_pubsub *pubsub, struct metrics *metrics)
{
    return redis_conn_register_metrics(&pubsub->conn, metrics);
}
