/* SPDX-License-Identifier: MIT
 *
 * heap_own.h - the memory of the profiler's threads: unwind tables, symbols, debug information,
 * profiles.
 *
 * The threads allocate from an arena of their own, so the sum is exact, whichever thread frees.
 * Memory in a thread's cache counts as used.
 *
 * Failure: without jemalloc, or without memory for an arena, there is no sum.
 */
#ifndef TOQ_PROFILING_HEAP_HEAP_OWN_H
#define TOQ_PROFILING_HEAP_HEAP_OWN_H

#include "core/base/base.h"

/* heap_own_join lets the calling thread allocate from the profiler's arena from now on; the first
 * one makes it.
 *
 * Thread: any that works for the profiler alone.
 */
void heap_own_join(void);

/* heap_own_bytes is what is allocated from the arena; 0 when nothing is known.
 *
 * Thread: any.
 */
size_t heap_own_bytes(void);

#endif
