/* SPDX-License-Identifier: MIT
 *
 * block.h - the block profile: waits of tasks, and callbacks that held the loop.
 *
 * Flow:   block_start -> waits.c counts each wait, watchdog.c each stall -> source_block
 * Thread: the loop.
 */
#ifndef TOQ_PROFILING_TASK_BLOCK_H
#define TOQ_PROFILING_TASK_BLOCK_H

#include "profiling/task/watchdog.h"

struct block_stats {
    uint64_t waits;   /* that have ended */
    uint64_t dropped; /* waits, and stacks of stalls, that found no room */
    struct watchdog_stats watchdog;
};

/* block_start begins to count waits, and stalls of stall_ms and longer; 0: waits alone.
 *
 * Returns: 0; UV_ENOMEM, or what making a thread says. On an error nothing runs.
 */
MUST_USE int block_start(struct loop *loop, uint64_t stall_ms);

/* block_stop stops and forgets. Harmless when it was not started. */
void block_stop(void);

/* block_get_stats reads the account. */
struct block_stats block_get_stats(void);

#endif
