/* SPDX-License-Identifier: MIT
 *
 * listings_change.h - updates or removes a listing, for HTTP and gRPC alike.
 *
 * Flow:    the version is known -> write, which MySQL refuses when it is another by then
 *          else, or to merge -> what is stored -> does its version do? -> merge -> write over that
 *          one
 * Memory:  a change is its caller's until on_done runs, merge has refused, or
 *          listings_change_cancel returns.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_CHANGE_H
#define TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_CHANGE_H

#include "handlers/listings/work/listings.h"

enum listings_verb {
    LISTINGS_REPLACE, /* all fields, by `wanted` */
    LISTINGS_MERGE,   /* some of them, by `merge` */
    LISTINGS_REMOVE,
};

struct listings_change {
    /* the caller's: set before the start, everything else zero */
    struct listings *listings;
    struct arena *arena;
    struct task *task;
    struct str id; /* as listings_id_is_valid has it */
    enum listings_verb verb;
    struct listing wanted; /* LISTINGS_REPLACE: its fields */
    bool is_exact; /* `version` it must be, 0 being any for a removal; else as `accepts` says */
    uint64_t version;
    bool (*accepts)(const struct listings_change *change, uint64_t version);
    /* makes of what is stored what is to be written; false: it refuses, and on_done never runs */
    bool (*merge)(struct listings_change *change, struct listing *listing);
    /* status: as listings_done_fn; what was written is in `write`. */
    void (*on_done)(struct listings_change *change, int status);
    void *arg;

    struct listings_write write; /* out */

    /* private */
    struct listings_op load;
    unsigned tries;
    bool is_loading;
};

/* listings_change_start begins.
 *
 * Returns: 0: on_done runs once, later; else as listings_cache_update, and on_done never runs.
 */
MUST_USE int listings_change_start(struct listings_change *change);

/* listings_change_cancel gives a change up: on_done never runs. */
void listings_change_cancel(struct listings_change *change);

#endif
