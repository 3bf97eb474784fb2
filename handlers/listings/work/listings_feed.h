/* SPDX-License-Identifier: MIT
 *
 * listings_feed.h - the changes of listings as they happen, read from the log once for all
 * followers.
 *
 * Flow:    first follower -> where does the log end? -> on_ready -> news by Redis, or every second
 *          -> one read of the log -> on_events -> listings_feed_take ...
 * Order:   each change at least once, those of one listing in their order.
 * Failure: without Redis changes come within about a second; without MySQL, once it is back. A
 *          follower that is too slow loses the events that are dropped beyond LISTINGS_FEED_BYTES,
 *          and is told so.
 * Memory:  a follower is its caller's until listings_feed_leave. While there is none, nothing is
 *          kept.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_FEED_H
#define TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_FEED_H

#include "core/redis/redis_pubsub.h"
#include "handlers/listings/store/listings_changes.h"

#define LISTINGS_FEED_BYTES  (16u << 20)
#define LISTINGS_FEED_WINDOW 4096 /* positions that are remembered one by one; a power of two */

struct listings_feed_batch;

enum listings_feed_state { LISTINGS_FEED_IDLE, LISTINGS_FEED_STARTING, LISTINGS_FEED_READY };

struct listings_feed {
    struct loop *loop;
    struct sql *sql;
    struct redis_pubsub *pubsub;
    size_t max_bytes; /* LISTINGS_FEED_BYTES */

    /* private */
    enum listings_feed_state state;
    struct list followers;
    struct list due; /* those of them that are still to be told, of this: */
    int due_status;
    bool has_due_events;
    struct loop_deferred tell_more;
    size_t follower_count;
    int status; /* what those who wait to be ready are to hear when the timer fires; 0: nothing */
    struct redis_subscription sub;
    struct wheel_timer timer;
    bool is_settling; /* MySQL is asked where the log ends */
    struct listings_changes_read read;
    struct listings_feed_batch *reading; /* what it reads into; NULL: it does not */
    bool is_nudged;                      /* meanwhile */
    struct list batches;                 /* the oldest first */
    size_t kept_bytes;
    uint64_t next_number; /* of the next event */
    uint64_t settled;     /* all up to here have been seen, or will not be */
    uint64_t last;        /* that was seen */
    size_t seen_count;    /* behind settled */
    uint8_t
        seen[LISTINGS_FEED_WINDOW / 8]; /* a bit for each position behind settled, going round */
    uint64_t grace_position;            /* is settled at grace_ms */
    uint64_t grace_ms;
    struct wheel_timer trim_timer;
    bool is_trimming;
};

struct listings_follower {
    /* the caller's: set before listings_feed_join, everything else zero */
    /* runs once, later. status: 0; else as sql_query_fn, and it follows no more. */
    void (*on_ready)(struct listings_follower *follower, int status);
    void (*on_events)(struct listings_follower *follower); /* there are some to take, or lost */

    /* private */
    struct list link;
    struct listings_feed *feed;
    uint64_t next_number;
    bool is_ready;
};

/* What listings_feed_take has. */
enum listings_taken { LISTINGS_TAKEN_EVENT, LISTINGS_TAKEN_NONE, LISTINGS_TAKEN_LOST };

/* listings_feed_init prepares a feed, and trims the log every ten minutes, and when somebody begins
 * to follow. */
void listings_feed_init(struct listings_feed *feed, struct loop *loop, struct sql *sql,
                        struct redis_pubsub *pubsub);

/* listings_feed_join follows from now on. */
void listings_feed_join(struct listings_feed *feed, struct listings_follower *follower);

/* listings_feed_leave ends that, also from inside a callback; harmless when it does not follow. */
void listings_feed_leave(struct listings_follower *follower);

/* listings_feed_skip lets a follower that is ready go on from what comes next. */
void listings_feed_skip(struct listings_follower *follower);

/* listings_feed_take takes the next event.
 *
 * Returns: with *ret_event set, borrowed until the next turn, when it is LISTINGS_TAKEN_EVENT.
 */
enum listings_taken listings_feed_take(struct listings_follower *follower,
                                       const struct listings_event **ret_event);

/* listings_feed_position is where a follower that has all there is would go on from. */
uint64_t listings_feed_position(const struct listings_feed *feed);

#endif
