/* SPDX-License-Identifier: MIT
 *
 * listings_many.h - many listings at once: new ones in one transaction, and those that have one of
 * some ids.
 *
 * Memory: an operation is the caller's until on_done runs or its cancel returns.
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_MANY_H
#define TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_MANY_H

#include "core/sql/sql_tx.h"
#include "handlers/listings/store/listings_store.h"

#define LISTINGS_BATCH_MAX        100
#define LISTINGS_BATCH_TIMEOUT_MS 10000 /* of its transaction */
#define LISTINGS_LOOKUP_MAX       64

struct listings_batch {
    /* the caller's: set before the start, everything else zero */
    struct arena *arena;
    struct task *task;
    struct listing *list; /* each with its id */
    size_t count;         /* 1 to LISTINGS_BATCH_MAX */
    /* status: 0: all are stored, with version 1 and their times; UV_EEXIST: an id is there already;
     * else as sql_query_fn: none is, or, when the connection broke, nobody knows. */
    void (*on_done)(struct listings_batch *batch, int status);
    void *arg;

    /* private */
    struct sql_tx tx;
    struct sql_query query;
    struct sql_value *params;
    size_t stored_count;
    size_t running_count;
};

/* listings_batch_start stores new listings, all or none.
 *
 * Returns: 0: on_done runs once, later; else as sql_query_start, and on_done never runs.
 */
MUST_USE int listings_batch_start(struct sql *sql, struct listings_batch *batch);

/* listings_batch_cancel gives a batch up: on_done never runs. It is undone, unless it was about to
 * be committed. Harmless when it has ended. */
void listings_batch_cancel(struct listings_batch *batch);

struct listings_lookup {
    /* the caller's: set before the start, everything else zero */
    struct arena *arena;
    struct task *task; /* may be NULL */
    /* status: 0, or as sql_query_fn. */
    void (*on_done)(struct listings_lookup *lookup, int status);
    void *arg;

    /* out: those that there are, in any order */
    struct listing *list;
    size_t count;

    /* private */
    struct sql_query query;
    struct sql_value params[LISTINGS_LOOKUP_MAX];
    bool wants_versions;
};

/* listings_lookup_start reads the listings with these ids.
 *
 * ids:     borrowed until on_done; 1 to LISTINGS_LOOKUP_MAX, and any text.
 * Returns: as listings_batch_start.
 */
MUST_USE int listings_lookup_start(struct sql *sql, struct listings_lookup *lookup,
                                   const struct str *ids, size_t count);

/* listings_lookup_versions reads their ids and versions alone. Returns: as listings_batch_start. */
MUST_USE int listings_lookup_versions(struct sql *sql, struct listings_lookup *lookup,
                                      const struct str *ids, size_t count);

/* listings_lookup_cancel gives it up: on_done never runs. Harmless when it has ended. */
void listings_lookup_cancel(struct listings_lookup *lookup);

/* listings_lookup_find is the listing of an id among those that were found; NULL: there is none. */
const struct listing *listings_lookup_find(const struct listings_lookup *lookup, struct str id);

#endif
