/* SPDX-License-Identifier: MIT
 *
 * pool_rig.h - threads for tests of what gives work to a pool.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_POOL_RIG_H
#define TOQ_TEST_UNIT_SUPPORT_POOL_RIG_H

#include <stdlib.h>

#include "core/loop/pool.h"

static struct pool *pool_rig;

static inline void pool_rig_destroy(void)
{
    REQUIRE(pool_destroy(pool_rig, UINT32_MAX));
}

/* pool_rig_get is the test program's pool; it ends with the program. */
static inline struct pool *pool_rig_get(void)
{
    if (pool_rig == NULL) {
        const struct pool_options options = {
            .name = "toq-test-pool", .kind = "test", .threads = 2, .queue_max = 64};
        REQUIRE(pool_create(&options, &pool_rig) == 0);
        REQUIRE(atexit(pool_rig_destroy) == 0);
    }
    return pool_rig;
}

static inline void pool_rig_look_at(uv_handle_t *handle, void *arg)
{
    bool *is_waiting = arg;
    *is_waiting = *is_waiting || (handle->type == UV_ASYNC && uv_has_ref(handle));
}

/* pool_rig_is_waiting tells whether a loop still waits for jobs: its only async handle is the one
 * that they wake. */
static inline bool pool_rig_is_waiting(struct loop *of)
{
    bool is_waiting = false;
    uv_walk(loop_uv(of), pool_rig_look_at, &is_waiting);
    return is_waiting;
}

#endif
