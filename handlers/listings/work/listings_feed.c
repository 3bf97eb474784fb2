/* SPDX-License-Identifier: MIT
 *
 * listings_feed.c - the end of the log, in memory.
 *
 * What is known of the log: all up to `settled`, and by a bit each which positions behind it were
 * seen. A position that is missing keeps `settled` back until it appears, or is older than any
 * transaction.
 */
#include "handlers/listings/work/listings_feed.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/sql/sql_ask.h"
#include "core/telemetry/log.h"
#include "handlers/listings/cache/listings_entry.h"

#define TEXT_OF(number) #number
#define AS_TEXT(number) TEXT_OF(number)
#define POLL_MS         1000
#define TRIM_MS         600000
#define TRIM_ROWS       1000
#define BATCH_MAX_BYTES (8u << 20)
#define TELL_NS         NS_PER_MS /* followers are told in turns of the loop, so long in each */

#define TEXT_SETTLED                                                                               \
    "SELECT position FROM listing_changes WHERE changed_at < UTC_TIMESTAMP(6) - "                  \
    "INTERVAL " AS_TEXT(                                                                           \
        LISTINGS_CHANGES_GRACE_S) " SECOND ORDER BY changed_at DESC,position DESC LIMIT 1"
#define OLD "changed_at < UTC_TIMESTAMP(6) - INTERVAL " AS_TEXT(LISTINGS_CHANGES_KEEP_S) " SECOND"
/* The newest one stays, so that the log always tells where it ends. What is too old is looked up by
 * a SELECT, which takes no locks: those of a DELETE that finds it by itself would reach into what
 * is being written, wait for it, and let all writers wait meanwhile. */
#define TEXT_OLD                                                                                   \
    "SELECT MAX(position) FROM (SELECT position FROM listing_changes WHERE " OLD                   \
    " AND position < (SELECT MAX(position) FROM listing_changes) ORDER BY changed_at,position "    \
    "LIMIT " AS_TEXT(TRIM_ROWS) ") AS old"
#define TEXT_TRIM                                                                                  \
    "DELETE FROM listing_changes WHERE position<=? AND " OLD                                       \
    " ORDER BY position LIMIT " AS_TEXT(TRIM_ROWS)

/* What one read has brought. */
struct listings_feed_batch {
    struct list link;
    struct arena arena;
    struct listings_event *list;
    size_t count;
    uint64_t first_number;
};

static void read_log(struct listings_feed *feed);

static void free_batch(struct listings_feed *feed, struct listings_feed_batch *batch)
{
    if (!list_is_empty(&batch->link)) {
        feed->kept_bytes -= batch->arena.used_bytes;
        list_unlink(&batch->link);
    }
    arena_deinit(&batch->arena);
    free(batch);
}

static struct listings_feed_batch *batch_at(struct list *link)
{
    return CONTAINER_OF(link, struct listings_feed_batch, link);
}

/* --- positions --- */

static bool is_seen(const struct listings_feed *feed, uint64_t position)
{
    const uint64_t bit = position % LISTINGS_FEED_WINDOW;
    return position <= feed->settled || (position - feed->settled <= LISTINGS_FEED_WINDOW &&
                                         (feed->seen[bit / 8] & 1U << bit % 8) != 0);
}

/* settle_one gives the lowest position up, if it was not seen. */
static void settle_one(struct listings_feed *feed)
{
    const uint64_t bit = ++feed->settled % LISTINGS_FEED_WINDOW;
    const uint8_t mask = (uint8_t)(1U << bit % 8);
    feed->seen_count -= (feed->seen[bit / 8] & mask) != 0;
    feed->seen[bit / 8] &= (uint8_t)~mask;
}

static void settle_to(struct listings_feed *feed, uint64_t position)
{
    if (position > feed->settled + LISTINGS_FEED_WINDOW) {
        feed->settled = position;
        feed->seen_count = 0;
        memset(feed->seen, 0, sizeof(feed->seen));
    }
    while (feed->settled < position) {
        settle_one(feed);
    }
}

static void settle_seen(struct listings_feed *feed)
{
    while (feed->seen_count > 0 && is_seen(feed, feed->settled + 1)) {
        settle_one(feed);
    }
}

static void see(struct listings_feed *feed, uint64_t position)
{
    const uint64_t bit = position % LISTINGS_FEED_WINDOW;
    if (position > feed->settled + LISTINGS_FEED_WINDOW) {
        settle_to(feed, position - LISTINGS_FEED_WINDOW);
    }
    if (!is_seen(feed, position)) {
        feed->seen[bit / 8] |= (uint8_t)(1U << bit % 8);
        feed->seen_count++;
    }
    feed->last = position > feed->last ? position : feed->last;
}

/* settle_old gives up what has been missing for longer than any transaction takes. */
static void settle_old(struct listings_feed *feed)
{
    const uint64_t now_ms = loop_now_ms(feed->loop);
    if (now_ms >= feed->grace_ms) {
        settle_to(feed, feed->grace_position);
        feed->grace_position = feed->last;
        feed->grace_ms = now_ms + LISTINGS_CHANGES_GRACE_S * 1000;
    }
    settle_seen(feed);
}

/* --- those who follow --- */

/* stop drops everything, for nobody follows any more. */
static void stop(struct listings_feed *feed)
{
    redis_unsubscribe(&feed->sub);
    loop_undefer(&feed->tell_more);
    feed->has_due_events = false;
    wheel_unset(&feed->timer);
    if (feed->reading != NULL) {
        listings_changes_cancel(&feed->read);
        free_batch(feed, feed->reading);
        feed->reading = NULL;
    }
    while (!list_is_empty(&feed->batches)) {
        free_batch(feed, batch_at(feed->batches.next));
    }
    feed->state = LISTINGS_FEED_IDLE;
}

void listings_feed_leave(struct listings_follower *follower)
{
    struct listings_feed *feed = follower->feed;
    if (feed == NULL) {
        return;
    }
    follower->feed = NULL;
    list_unlink(&follower->link);
    if (--feed->follower_count == 0) {
        stop(feed);
    }
}

static struct listings_follower *follower_at(struct list *link)
{
    return CONTAINER_OF(link, struct listings_follower, link);
}

static void tell_one(struct listings_feed *feed, struct listings_follower *follower)
{
    const int status = feed->due_status;
    if (follower->is_ready) {
        if (feed->has_due_events) {
            follower->on_events(follower);
        }
    } else if (status < 0) {
        listings_feed_leave(follower);
        follower->on_ready(follower, status);
    } else {
        follower->is_ready = true;
        follower->next_number = feed->next_number;
        follower->on_ready(follower, 0);
    }
}

/* tell_some tells those who are due, as long as there is time in this turn. Any of them may leave,
 * and others come, meanwhile. */
static void tell_some(struct listings_feed *feed)
{
    const uint64_t start_ns = clock_now_ns();
    while (!list_is_empty(&feed->due)) {
        struct listings_follower *follower = follower_at(feed->due.next);
        list_unlink(&follower->link);
        list_push_back(&feed->followers, &follower->link);
        tell_one(feed, follower);
        if (!list_is_empty(&feed->due) && clock_now_ns() - start_ns >= TELL_NS) {
            loop_defer(feed->loop, &feed->tell_more);
            return;
        }
    }
    feed->has_due_events = false;
}

static void run_tell_more(struct loop_deferred *deferred)
{
    tell_some(CONTAINER_OF(deferred, struct listings_feed, tell_more));
}

/* tell lets each hear once.
 *
 * status: of those who wait to be ready. */
static void tell(struct listings_feed *feed, int status, bool has_events)
{
    feed->due_status = status;
    feed->has_due_events = feed->has_due_events || has_events;
    list_splice(&feed->due, &feed->followers);
    tell_some(feed);
}

/* --- reading --- */

static bool is_new(const struct listings_changes_read *read, const struct listings_event *event)
{
    return !is_seen(read->arg, event->position);
}

/* keep adds a batch to what can be taken, and drops the oldest. */
static void keep(struct listings_feed *feed, struct listings_feed_batch *batch)
{
    batch->first_number = feed->next_number;
    feed->next_number += batch->count;
    list_push_back(&feed->batches, &batch->link);
    feed->kept_bytes += batch->arena.used_bytes;
    while (feed->kept_bytes > feed->max_bytes && batch_at(feed->batches.next) != batch) {
        free_batch(feed, batch_at(feed->batches.next));
    }
}

static void on_read(struct listings_changes_read *read, int status)
{
    struct listings_feed *feed = read->arg;
    struct listings_feed_batch *batch = feed->reading;
    const bool is_start = feed->state == LISTINGS_FEED_STARTING;
    feed->reading = NULL;
    if (status < 0) {
        free_batch(feed, batch);
        tell(feed, status, false); /* for the others the timer tries again */
        return;
    }
    batch->list = read->list;
    batch->count = read->count;
    for (size_t i = 0; i < batch->count; i++) {
        see(feed, batch->list[i].position);
    }
    settle_old(feed);
    for (size_t i = 0; i < batch->count; i++) {
        const uint64_t position = batch->list[i].position;
        batch->list[i].resume = position <= feed->settled ? position : feed->settled;
    }
    const bool has_events = batch->count > 0;
    if (has_events && !is_start) {
        keep(feed, batch);
    } else {
        free_batch(feed, batch); /* what was there before anybody followed is for nobody */
    }
    const bool is_at_end = !read->has_more && !feed->is_nudged;
    if (!is_at_end) {
        read_log(feed); /* which may fail: then those who wait to be ready hear of it soon */
    }
    if (is_start && is_at_end) {
        feed->state = LISTINGS_FEED_READY;
    }
    if (feed->state == LISTINGS_FEED_READY) {
        tell(feed, 0, has_events && !is_start);
    }
}

/* fail_soon lets those who wait to be ready hear that they will not be, but not from inside a
 * call. */
static void fail_soon(struct listings_feed *feed, int status)
{
    feed->status = status;
    loop_set_timer(feed->loop, &feed->timer, 0);
}

static void read_log(struct listings_feed *feed)
{
    if (feed->reading != NULL) {
        feed->is_nudged = true;
        return;
    }
    struct listings_feed_batch *batch = calloc(1, sizeof(*batch));
    if (batch == NULL) {
        fail_soon(feed, UV_ENOMEM);
        return;
    }
    list_init(&batch->link);
    arena_init(&batch->arena, BATCH_MAX_BYTES);
    feed->is_nudged = false;
    feed->reading = batch;
    feed->read = (struct listings_changes_read){
        .sql = feed->sql,
        .arena = &batch->arena,
        .after = feed->settled,
        .known_rows = feed->seen_count,
        .wants_listings = feed->state == LISTINGS_FEED_READY,
        .is_wanted = is_new,
        .on_done = on_read,
        .arg = feed,
    };
    const int status = listings_changes_start(&feed->read);
    if (status < 0) {
        feed->reading = NULL;
        free_batch(feed, batch);
        fail_soon(feed, status);
    }
}

static void on_poll(struct wheel_timer *timer)
{
    struct listings_feed *feed = CONTAINER_OF(timer, struct listings_feed, timer);
    const int status = feed->status;
    feed->status = 0;
    loop_set_timer(feed->loop, &feed->timer, POLL_MS);
    if (status < 0) {
        tell(feed, status, false);
    } else if (feed->state == LISTINGS_FEED_READY) {
        read_log(feed);
    }
}

static void on_news(struct redis_subscription *sub, struct str channel, struct str payload)
{
    struct listings_feed *feed = CONTAINER_OF(sub, struct listings_feed, sub);
    (void)channel;
    (void)payload;
    if (feed->state == LISTINGS_FEED_READY) {
        read_log(feed);
    }
}

/* --- the start --- */

static void on_settled(void *arg, const struct sql_result *result)
{
    struct listings_feed *feed = arg;
    feed->is_settling = false;
    if (feed->state != LISTINGS_FEED_STARTING) {
        return; /* nobody follows any more */
    }
    if (result->status < 0) {
        fail_soon(feed, result->status);
        return;
    }
    feed->settled = result->row_count == 0 ? 0 : result->rows->values[0].u64;
    feed->last = feed->settled;
    feed->grace_position = feed->settled;
    feed->grace_ms = loop_now_ms(feed->loop) + LISTINGS_CHANGES_GRACE_S * 1000;
    feed->seen_count = 0;
    memset(feed->seen, 0, sizeof(feed->seen));
    read_log(feed);
}

static void start_feed(struct listings_feed *feed)
{
    feed->state = LISTINGS_FEED_STARTING;
    feed->is_nudged = false;
    feed->status = 0;
    if (!feed->is_trimming) {
        loop_set_timer(feed->loop, &feed->trim_timer, 0);
    }
    redis_subscribe(feed->pubsub, &feed->sub);
    loop_set_timer(feed->loop, &feed->timer, POLL_MS);
    if (!feed->is_settling) { /* else an earlier answer does: what came since then is read, too */
        feed->is_settling = true;
        sql_ask(feed->sql, (struct task_ref){0}, &SQL_READ("changes.settled", TEXT_SETTLED),
                on_settled, feed);
    }
}

void listings_feed_join(struct listings_feed *feed, struct listings_follower *follower)
{
    follower->feed = feed;
    follower->is_ready = false;
    list_push_back(&feed->followers, &follower->link);
    feed->follower_count++;
    if (feed->state == LISTINGS_FEED_IDLE) {
        start_feed(feed);
    } else if (feed->state == LISTINGS_FEED_READY) {
        read_log(feed);
    }
}

/* --- trimming --- */

static void trim(struct wheel_timer *timer);

static void trimmed(struct listings_feed *feed, uint64_t next_ms)
{
    feed->is_trimming = false;
    loop_set_timer(feed->loop, &feed->trim_timer, next_ms);
}

static void on_trimmed(void *arg, const struct sql_result *result)
{
    const bool is_more = result->status == 0 && result->affected_rows == TRIM_ROWS;
    trimmed(arg, is_more ? 0 : TRIM_MS);
}

static void on_old(void *arg, const struct sql_result *result)
{
    struct listings_feed *feed = arg;
    if (result->status < 0 || result->rows->values[0].type == SQL_NULL) {
        trimmed(feed, TRIM_MS);
        return;
    }
    sql_ask(feed->sql, (struct task_ref){0},
            &SQL_STATEMENT("changes.trim", TEXT_TRIM, result->rows->values[0]), on_trimmed, feed);
}

static void trim(struct wheel_timer *timer)
{
    struct listings_feed *feed = CONTAINER_OF(timer, struct listings_feed, trim_timer);
    feed->is_trimming = true;
    sql_ask(feed->sql, (struct task_ref){0}, &SQL_READ("changes.old", TEXT_OLD), on_old, feed);
}

/* --- what followers ask --- */

void listings_feed_init(struct listings_feed *feed, struct loop *loop, struct sql *sql,
                        struct redis_pubsub *pubsub)
{
    *feed = (struct listings_feed){
        .loop = loop,
        .sql = sql,
        .pubsub = pubsub,
        .max_bytes = LISTINGS_FEED_BYTES,
        .sub = {.channel = STR(LISTINGS_CHANNEL), .on_message = on_news},
    };
    list_init(&feed->followers);
    list_init(&feed->due);
    list_init(&feed->tell_more.link);
    feed->tell_more.run = run_tell_more;
    list_init(&feed->batches);
    wheel_timer_init(&feed->timer, on_poll);
    wheel_timer_init(&feed->trim_timer, trim);
    loop_set_timer(loop, &feed->trim_timer, TRIM_MS);
}

void listings_feed_skip(struct listings_follower *follower)
{
    follower->next_number = follower->feed->next_number;
}

enum listings_taken listings_feed_take(struct listings_follower *follower,
                                       const struct listings_event **ret_event)
{
    struct listings_feed *feed = follower->feed;
    struct list *pos = feed->batches.prev; /* most follow closely */
    if (follower->next_number == feed->next_number) {
        return LISTINGS_TAKEN_NONE;
    }
    while (pos != &feed->batches && batch_at(pos)->first_number > follower->next_number) {
        pos = pos->prev;
    }
    if (pos == &feed->batches) {
        return LISTINGS_TAKEN_LOST;
    }
    const struct listings_feed_batch *batch = batch_at(pos);
    *ret_event = &batch->list[follower->next_number++ - batch->first_number];
    return LISTINGS_TAKEN_EVENT;
}

uint64_t listings_feed_position(const struct listings_feed *feed)
{
    return feed->settled;
}
