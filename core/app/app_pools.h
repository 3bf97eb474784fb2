/* SPDX-License-Identifier: MIT
 *
 * app_pools.h - the pools of threads, one for each kind of work. MySQL's client makes its own.
 *
 * Thread: main, while the loop does not run.
 */
#ifndef TOQ_CORE_APP_APP_POOLS_H
#define TOQ_CORE_APP_APP_POOLS_H

#include "core/loop/pool.h"

struct app_pools {
    struct pool *diag;    /* profiles, symbols: diagnostics answer whatever the others wait for */
    struct pool *lookups; /* of names; MySQL's are looked up as it connects */
    struct pool *offload; /* what would block the loop: files */
};

/* app_pools_create makes them, without threads, and registers what they count.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int app_pools_create(struct app_pools *pools, struct metrics *metrics);

/* app_pools_destroy ends the threads. Harmless when app_pools_create failed, and again.
 *
 * timeout_ms: for how long it waits for the jobs of each pool.
 * Returns:    true; false when a job still runs: as pool_destroy.
 */
MUST_USE bool app_pools_destroy(struct app_pools *pools, uint64_t timeout_ms);

#endif
