/* SPDX-License-Identifier: MIT
 *
 * listings_load.h - loads a missing entry from MySQL once, for all requests that wait for it.
 *
 * Flow:    listings_load_join: the first one starts the load, the others wait for it -> on_load
 *          once, for the cache -> on_loaded for each who waits
 * Turns:   those who wait are told one after the other, a millisecond in each turn of the loop.
 * Failure: a waiter that leaves does not affect the others; the last one to leave cancels the load.
 * Memory:  a load owns its memory; none of it belongs to its waiters.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_LOAD_H
#define TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_LOAD_H

#include "handlers/listings/cache/listings_gather.h"

#define LISTINGS_LOAD_BUCKETS 256

struct listings_load;
struct listings_waiter;

/* What a load brought; borrowed until the callback returns. */
struct listings_loaded {
    struct str key;
    const struct listing *listing; /* NULL of a page */
    struct str json;               /* ptr NULL: of a listing that nobody wanted so */
    uint64_t version;              /* of a listing; 0 of a page */
    uint64_t start_ns;             /* clock_now_ns before MySQL was asked */
    bool is_kept;                  /* as the wish says */
};

/* A listings_loaded_fn gets the end of a load, once. status: 0; UV_ENOENT; else as sql_query_fn.
 * loaded: NULL unless status is 0. */
typedef void (*listings_loaded_fn)(struct listings_waiter *waiter, int status,
                                   const struct listings_loaded *loaded);

/* One that waits, in its own memory until on_loaded runs or listings_load_leave returns. */
struct listings_waiter {
    struct task *task;  /* parked meanwhile, and current in on_loaded; may be NULL */
    bool takes_listing; /* it can do without the JSON of one */
    listings_loaded_fn on_loaded;
    struct list link;
    struct listings_load *load; /* NULL: it waits for none */
};

struct listings_loads {
    struct listings_gather gather;
    void (*on_load)(struct listings_loads *loads, const struct listings_loaded *loaded);
    struct list buckets[LISTINGS_LOAD_BUCKETS]; /* by the hash of the key */
};

/* What is to be loaded; copied. */
struct listings_wish {
    struct str key;                     /* who has the same one shares the load */
    struct str id;                      /* of one listing */
    const struct listings_query *query; /* NULL: one listing; else a page */
    bool is_kept;                       /* for on_load, which then needs the JSON */
};

struct listings_loads_options {
    struct loop *loop;
    struct sql *sql;
    struct metrics *metrics;
    /* runs for each load that succeeded, before who waits is told */
    void (*on_load)(struct listings_loads *loads, const struct listings_loaded *loaded);
};

/* listings_loads_init prepares loading.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int listings_loads_init(struct listings_loads *loads,
                                 const struct listings_loads_options *options);

/* listings_load_join waits for a load of `wish`, which it starts unless one is under way.
 *
 * waiter:  task, takes_listing and on_loaded are set.
 * Returns: 0 it was started; 1 one was under way: on_loaded runs once, later; UV_ENOMEM, or as
 *          sql_query_start, and on_loaded never runs.
 */
MUST_USE int listings_load_join(struct listings_loads *loads, struct listings_waiter *waiter,
                                const struct listings_wish *wish);

/* listings_load_leave gives the wait up: on_loaded never runs. Harmless when there is none. */
void listings_load_leave(struct listings_waiter *waiter);

/* listings_loads_forget lets nobody join what loads under this key now: it may bring what was there
 * before a write. */
void listings_loads_forget(struct listings_loads *loads, struct str key);

#endif
