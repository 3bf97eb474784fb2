/* SPDX-License-Identifier: MIT
 *
 * code.h - the process's code: where its objects are mapped, and the table for unwinding through
 * them. Both follow as libraries are loaded and unloaded.
 *
 * Flow:    code_start -> [worker] mappings and unwind table -> unwind_publish; before a profile is
 *          taken code_refresh looks again -> code_get -> encode -> code_put
 * Failure: without memory for new tables the old ones stay.
 * Memory:  one table, and one snapshot of the mappings per reader that still has an old one.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_CODE_CODE_H
#define TOQ_PROFILING_CODE_CODE_H

#include "core/loop/pool.h"
#include "profiling/code/maps.h"

/* Somebody who waits for a refresh; embedded in its owner. */
struct code_wait {
    struct list link;
    void (*done)(struct code_wait *wait, int status);
};

/* code_start makes the first tables on a thread of `pool`, which serves the refreshes, too.
 *
 * Returns: 0; UV_ENOMEM, or what pool_submit says.
 */
MUST_USE int code_start(struct loop *loop, struct pool *pool);

/* code_stop unpublishes the table and frees what nobody uses any more; the rest goes with its last
 * reader, and with it the cache of symbols. Waiters get UV_ECANCELED. The loop must still turn for
 * a running refresh to come home. */
void code_stop(void);

/* code_refresh looks at the mappings on a worker thread, and makes a new table when they have
 * changed.
 *
 * wait->done runs exactly once, on the loop, never from inside code_refresh: with 0, when the
 * tables are as new as this call; what maps_create says, or UV_ENOMEM; UV_ECANCELED.
 * Returns: 0; UV_ENOMEM, or what pool_submit says: wait->done does not run.
 */
MUST_USE int code_refresh(struct code_wait *wait);

/* code_cancel makes a wait forget; its done does not run. Harmless when it is over. */
void code_cancel(struct code_wait *wait);

/* code_get is the latest snapshot of the mappings; it stays until code_put.
 *
 * Returns: NULL before the first refresh is done.
 */
const struct maps *code_get(void);

/* code_put gives a snapshot back; takes NULL. */
void code_put(const struct maps *maps);

#endif
