/* SPDX-License-Identifier: MIT
 *
 * app_pools.c - the sizes of the pools.
 */
#include "core/app/app_pools.h"

#include "core/loop/lookup.h"

/* Two, so that a profile that takes seconds holds up no goroutine dump. The queue takes all queries
 * that named.c and history.c admit, and as many requests for symbols. */
static const struct pool_options diag = {
    .name = "toq-diag-pool",
    .kind = "diagnostics",
    .threads = 2,
    .queue_max = 128,
    .nice = 10,
};

/* Two names at a time, and the one after them. */
static const struct pool_options lookups = {
    .name = "toq-lookup-pool",
    .kind = "lookups",
    .threads = 2 * LOOKUPS_MAX,
    .queue_max = 64,
};

static const struct pool_options offload = {
    .name = "toq-offload",
    .kind = "offload",
    .threads = 2,
    .queue_max = 64,
};

static int create(const struct pool_options *options, struct metrics *metrics,
                  struct pool **ret_pool)
{
    const int rc = pool_create(options, ret_pool);
    return rc < 0 ? rc : pool_register_metrics(*ret_pool, metrics);
}

int app_pools_create(struct app_pools *pools, struct metrics *metrics)
{
    int rc = create(&diag, metrics, &pools->diag);
    rc = rc < 0 ? rc : create(&lookups, metrics, &pools->lookups);
    return rc < 0 ? rc : create(&offload, metrics, &pools->offload);
}

/* destroy forgets a pool that is gone. */
static bool destroy(struct pool **pool, uint64_t timeout_ms)
{
    if (!pool_destroy(*pool, timeout_ms)) {
        return false;
    }
    *pool = NULL;
    return true;
}

bool app_pools_destroy(struct app_pools *pools, uint64_t timeout_ms)
{
    const bool is_diag_gone = destroy(&pools->diag, timeout_ms);
    const bool is_offload_gone = destroy(&pools->offload, timeout_ms);
    /* nobody wants to know about the names that are still looked up */
    return destroy(&pools->lookups, 0) && is_diag_gone && is_offload_gone;
}
