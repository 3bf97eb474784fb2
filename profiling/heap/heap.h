/* SPDX-License-Identifier: MIT
 *
 * heap.h - the heap profiles: which code allocated, how much is in use, and for which route
 * (source_heap, source_allocs). jemalloc's sampler takes one allocation in 512 KiB.
 *
 * Flow:    heap_start -> [hook in malloc] stack and label -> jemalloc's table; a take -> [worker]
 *          dump into memory -> parse -> scale up -> done on the loop
 * Failure: where jemalloc cannot sample (the settings in MALLOC_CONF, a sanitizer's malloc) the
 *          sources' `check` says why.
 * Memory:  jemalloc's: a bucket per distinct stack, and 16 KiB for each small object that is
 *          sampled, one in 512 KiB.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_HEAP_HEAP_H
#define TOQ_PROFILING_HEAP_HEAP_H

#include "core/base/base.h"

struct heap_stats {
    uint64_t samples;   /* allocations that were sampled */
    uint64_t failures;  /* of them without a stack */
    uint64_t truncated; /* of them with a stack that ends before the thread's start */
    uint64_t hook_ns;   /* spent in malloc to take their stacks */
    uint64_t dumps;     /* profiles taken */
    uint64_t dump_ns;   /* spent on worker threads to take them */
};

/* heap_start begins to sample as soon as stacks can be taken; after code_start. Where that cannot
 * be it does nothing.
 *
 * Returns: 0; what code_refresh says.
 */
MUST_USE int heap_start(void);

/* heap_stop ends the sampling; before code_stop. Harmless when it was not started. */
void heap_stop(void);

/* heap_get_stats reads the sampler's account of itself. */
struct heap_stats heap_get_stats(void);

#endif
