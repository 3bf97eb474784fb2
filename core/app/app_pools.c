/* SPDX-License-Identifier: MIT
 *
 * app_pools.c - how many threads for what.
 */
#include "core/app/app_pools.h"

/* Two, so that a profile that takes seconds holds up no goroutine dump. The queue takes all queries that named.c
 * and history.c admit, and as many requests for symbols. */
static const struct pool_options diag = {
    .name = "toq-diag-pool",
    .kind = "diagnostics",
    .threads = 2,
    .queue_max = 128,
    .nice = 10,
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
    const int rc = create(&diag, metrics, &pools->diag);
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
    return destroy(&pools->offload, timeout_ms) && is_diag_gone;
}
