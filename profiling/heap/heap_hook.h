/* SPDX-License-Identifier: MIT
 *
 * heap_hook.h - the stack that jemalloc keeps of an allocation that it samples: that of malloc's
 * caller, and at its outer end a made-up frame for what the thread works for, so that jemalloc
 * keeps the same stack apart per label.
 *
 * Memory:  jemalloc keeps each distinct stack until the process ends, and each profile that is
 *          being made has a copy. The profiler's own stacks are many, since libdw allocates
 *          wherever it reads: past the first 256 of them its allocations are kept under the made-up
 *          frame alone.
 * Thread:  the hook runs on any, inside malloc: it neither allocates nor locks.
 */
#ifndef TOQ_PROFILING_HEAP_HEAP_HOOK_H
#define TOQ_PROFILING_HEAP_HEAP_HOOK_H

#include "core/base/base.h"

/* heap_hook_install makes jemalloc ask us for stacks; harmless when it does already.
 *
 * Returns: false when jemalloc does not let us.
 * Thread:  main, or the loop.
 */
MUST_USE bool heap_hook_install(void);

/* heap_hook_remove gives jemalloc its own unwinder back; harmless when it has it. A thread may
 * still be in the hook afterwards.
 *
 * Thread: as heap_hook_install.
 */
void heap_hook_remove(void);

/* heap_hook_strip leaves jemalloc's frames out at the inner end of a stack.
 *
 * Returns: how many of the `count` frames are left; they start at *ret_frames.
 * Thread:  any, after heap_hook_install.
 */
size_t heap_hook_strip(const uint64_t *frames, size_t count, const uint64_t **ret_frames);

/* What the hook did since the start. */
struct heap_hook_stats {
    uint64_t samples;   /* stacks that were asked for */
    uint64_t failures;  /* of them without any frame of code */
    uint64_t truncated; /* of them that ended before the thread's start */
    uint64_t stacks;    /* distinct ones that are kept, about: a few in a thousand are missed */
    uint64_t ns;        /* spent in the hook */
};

/* heap_hook_get_stats reads the hook's account of itself.
 *
 * Thread: any.
 */
struct heap_hook_stats heap_hook_get_stats(void);

#endif
