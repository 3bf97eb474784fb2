/* SPDX-License-Identifier: MIT
 *
 * listings_gather.h - reads listings by id from MySQL, many with one query.
 *
 * One query reads all listings that are asked for within a turn. While LISTINGS_GATHER_RUNNING
 * queries run, further gets wait until one of them has ended: the busier MySQL is, the more
 * listings a query reads.
 *
 * Flow:    listings_gather_start -> the end of the turn, or of a query -> listings_lookup_start ->
 *          on_got for each
 * Failure: the error of a query is that of all its gets. Each get has the timeout of a query, from
 *          when it is started.
 * Memory:  a get is its caller's until on_got runs or listings_gather_cancel returns.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_GATHER_H
#define TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_GATHER_H

#include "handlers/listings/store/listings_many.h"

#define LISTINGS_GATHER_RUNNING 8    /* queries: half of the default pool's connections */
#define LISTINGS_GATHER_WAITING 4096 /* gets that no query has taken yet */

struct listings_get;
struct listings_gather;

/* A listings_got_fn gets the end of a get, once, its task being current.
 *
 * status:  0; UV_ENOENT no such listing; else as sql_query_fn.
 * listing: NULL unless status is 0; borrowed until it returns.
 */
typedef void (*listings_got_fn)(struct listings_get *get, int status,
                                const struct listing *listing);

struct listings_get {
    /* the caller's: set before the start, everything else zero */
    struct str id;     /* as listings_id_is_valid has it; borrowed */
    struct task *task; /* parked meanwhile; may be NULL */
    listings_got_fn on_got;

    /* private */
    bool is_late;                        /* every query that may run did when it came */
    struct list link;                    /* among those that wait, or those of its query */
    struct listings_gather *gather;      /* NULL: it has ended */
    struct listings_gather_query *query; /* that carries it; NULL: none yet */
    struct wheel_timer timer;
};

struct listings_gather_query {
    struct list link; /* among the idle ones */
    struct listings_gather *gather;
    struct list gets; /* the first one's task is the query's */
    bool is_ended;    /* they are being told */
    int status;       /* then */
    struct loop_deferred tell_more;
    struct arena arena;
    struct listings_lookup lookup;
    char ids[LISTINGS_LOOKUP_MAX][LISTING_ID_LEN]; /* copies: whoever asked for one may leave */
};

struct listings_gather {
    struct loop *loop;
    struct sql *sql;
    struct list waiting; /* gets, oldest first */
    size_t waiting_count;
    struct list idle; /* queries */
    struct listings_gather_query queries[LISTINGS_GATHER_RUNNING];
    struct loop_deferred flush;
    uint64_t query_count; /* that have begun: a metric, and their numbers in trails */
};

/* listings_gather_init prepares gathering, and adds the toq_listings_gather_ families.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int listings_gather_init(struct listings_gather *gather, struct loop *loop,
                                  struct sql *sql, struct metrics *metrics);

/* listings_gather_start reads one listing.
 *
 * Returns: 0: on_got runs once, later, unless listings_gather_cancel comes first; UV_EBUSY: too
 *          many wait, and on_got never runs.
 */
MUST_USE int listings_gather_start(struct listings_gather *gather, struct listings_get *get);

/* listings_gather_cancel gives a get up: on_got never runs. With the last one its query ends.
 * Harmless when it has ended. */
void listings_gather_cancel(struct listings_get *get);

/* listings_gather_lend lets another task wait for a get that has not ended; the one before is not
 * touched any more. */
void listings_gather_lend(struct listings_get *get, struct task *task);

#endif
