/* SPDX-License-Identifier: MIT
 *
 * listings_cache.h - the listings: MySQL with Redis as its cache, and news of each write for all
 * processes.
 *
 * Reads:   Redis has it: as it lies there. Else MySQL, once for all who ask (listings_load.h), then
 *          Redis for the next one, with a TTL that is up to a tenth shorter at random.
 * Writes:  MySQL; once that has committed, Redis gets the new version and every process its news.
 * Pages:   the generation, which each write moves on, is part of their keys. Without the connection
 *          that tells of it no page is taken from Redis.
 * Time:    what Redis holds is believed until the time that is written in it, by the wall clock of
 *          who put it there: the clocks of processes that share a Redis differ by
 *          LISTINGS_CACHE_SKEW_MS at most.
 * Failure: a Redis that is down, slow or answers garbage costs at most timeout_ms, then it is not
 *          asked for a while; MySQL serves. An entry that a write could not replace is stale for
 *          the TTL at most.
 * Memory:  a read or a write is its caller's until on_done runs or its cancel returns.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_CACHE_H
#define TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_CACHE_H

#include "core/redis/redis_pubsub.h"
#include "handlers/listings/cache/listings_entry.h"
#include "handlers/listings/cache/listings_load.h"
#include "handlers/listings/cache/listings_seen.h"

#define LISTINGS_CACHE_SKEW_MS 1000

struct listings_cache_options {
    struct loop *loop;
    struct sql *sql;
    struct redis *redis;
    struct redis_pubsub *pubsub;
    uint64_t ttl_ms;      /* of a listing; 0: Redis is not used at all */
    uint64_t page_ttl_ms; /* of a page; 0: none is kept */
    uint64_t timeout_ms;  /* of a command */
};

enum listings_cache_kind { LISTINGS_CACHE_LISTING, LISTINGS_CACHE_PAGE, LISTINGS_CACHE_KINDS };

/* How a read was served; the label result says it. */
enum listings_cache_result {
    LISTINGS_CACHE_HIT,
    LISTINGS_CACHE_MISS,   /* Redis did not have it */
    LISTINGS_CACHE_BYPASS, /* Redis was not asked, or did not answer */
    LISTINGS_CACHE_SHARED, /* by a load that was under way */
    LISTINGS_CACHE_RESULTS
};

struct listings_cache {
    struct listings_cache_options options;
    struct listings_entries entries;
    struct listings_loads loads;
    struct listings_seen seen;
    struct redis_subscription sub;
    struct redis_call learn; /* of the generation */
    bool has_generation;     /* news of it arrive */
    uint64_t generation;
    uint64_t write_count;    /* heard of: a page's load is not shared across one */
    uint64_t shun_until_ms;  /* Redis did not answer in time */
    uint64_t pages_until_ms; /* a write could not move the generation on: no pages meanwhile */
    uint64_t *requests[LISTINGS_CACHE_KINDS][LISTINGS_CACHE_RESULTS];
    uint64_t *loaded[LISTINGS_CACHE_KINDS];
    uint64_t *invalidations[2]; /* from here, from elsewhere */
};

/* listings_cache_move_on takes a generation that a reply or news bring. They come over two
 * connections, so one may be late: a number that is a little lower is older. One that is much lower
 * is newer: Redis has lost its data, and the count began again, by another clock. */
void listings_cache_move_on(struct listings_cache *cache, uint64_t generation);

/* One read. */
struct listings_read {
    /* the caller's: set before the start, everything else zero */
    struct arena *arena;
    struct task *task;
    /* status: 0; UV_ENOENT; else as sql_query_fn. */
    void (*on_done)(struct listings_read *read, int status);
    void *arg;
    bool takes_listing; /* of one: may get it as it is, instead of its JSON */

    /* out, when status is 0: borrowed until on_done returns */
    const struct listing *listing; /* NULL: see json */
    struct str json;
    uint64_t version; /* of a listing */

    /* private */
    struct listings_cache *cache;
    enum listings_cache_kind kind;
    struct listings_wish wish;
    struct redis_call call;
    struct listings_waiter waiter;
    char key[LISTINGS_KEY_BYTES];
};

/* One write. */
struct listings_write {
    struct listings_op op; /* the caller sets arena, task and listing, as for listings_store_ */
    /* status: as listings_done_fn. What was committed is in op.listing. */
    void (*on_done)(struct listings_write *write, int status);
    void *arg;

    struct str json; /* out, of what was created or updated: borrowed until on_done returns */

    /* private */
    struct listings_cache *cache;
    struct listings_put *put; /* that is waited for */
    uint64_t next_version;    /* which it will have */
    bool is_removal;
    struct buf body;
};

/* listings_cache_init prepares the cache and subscribes to the news.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int listings_cache_init(struct listings_cache *cache, struct metrics *metrics,
                                 const struct listings_cache_options *options);

/* listings_cache_deinit frees what it remembers, when nothing is under way any more. */
void listings_cache_deinit(struct listings_cache *cache);

/* listings_cache_note says that a version exists, or may: nothing older is believed from then
 * on. */
void listings_cache_note(struct listings_cache *cache, struct str id, uint64_t version);

/* listings_cache_get reads one listing.
 *
 * id: as listings_id_is_valid has it; borrowed until on_done.
 * Returns: 0: on_done runs once, later; UV_ENOMEM, or as sql_query_start, and on_done never runs.
 */
MUST_USE int listings_cache_get(struct listings_cache *cache, struct listings_read *read,
                                struct str id);

/* listings_cache_list reads a page.
 *
 * query: borrowed until on_done.
 * Returns: as listings_cache_get.
 */
MUST_USE int listings_cache_list(struct listings_cache *cache, struct listings_read *read,
                                 const struct listings_query *query);

/* listings_cache_cancel gives a read up: on_done never runs. Harmless when it has ended. */
void listings_cache_cancel(struct listings_read *read);

/* listings_cache_create stores write->op.listing, whose id is set, as a new listing.
 *
 * Returns: as listings_cache_get.
 */
MUST_USE int listings_cache_create(struct listings_cache *cache, struct listings_write *write);

/* listings_cache_update writes over a listing, as listings_store_update.
 *
 * Returns: as listings_cache_get.
 */
MUST_USE int listings_cache_update(struct listings_cache *cache, struct listings_write *write,
                                   uint64_t expected_version);

/* listings_cache_remove deletes a listing, as listings_store_remove.
 *
 * Returns: as listings_cache_get.
 */
MUST_USE int listings_cache_remove(struct listings_cache *cache, struct listings_write *write,
                                   uint64_t expected_version);

/* listings_cache_tell does what is left of a write that was carried out past the cache:
 * write->op.listing is what has been stored, and what others were that are new as well, their pages
 * know from it.
 *
 * Returns: 0: on_done runs once, later; else nobody could be told, which the TTLs make good, and
 *          on_done never runs.
 */
MUST_USE int listings_cache_tell(struct listings_cache *cache, struct listings_write *write);

/* listings_cache_doubt says of a write past the cache that nobody knows whether it took effect.
 *
 * version: which it would have made. */
void listings_cache_doubt(struct listings_cache *cache, struct str id, uint64_t version);

/* listings_cache_cancel_write gives a write up: on_done never runs. Whether it took effect is
 * unknown unless it had not begun; nothing older than it is cached from then on. Harmless when it
 * has ended. */
void listings_cache_cancel_write(struct listings_write *write);

#endif
