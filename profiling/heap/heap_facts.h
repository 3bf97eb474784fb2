/* SPDX-License-Identifier: MIT
 *
 * heap_facts.h - the allocator's statistics.
 */
#ifndef TOQ_PROFILING_HEAP_HEAP_FACTS_H
#define TOQ_PROFILING_HEAP_HEAP_FACTS_H

#include "core/base/buf.h"

/* heap_facts_flush gives back what jemalloc keeps in store for the calling thread, which counts
 * what the thread has asked for: some tens of microseconds.
 *
 * Thread: any; the loop, which allocates most, before heap_facts_append.
 */
void heap_facts_flush(void);

/* heap_facts_append writes jemalloc's statistics under the names of Go's runtime.MemStats, 0 where
 * there is no counterpart, and under their own.
 *
 * Mallocs and TotalAlloc count requests. Those that other threads than the caller have made since
 * jemalloc last looked at their caches, which it does as they allocate, are not in them yet.
 * Objects in caches are in Alloc and HeapObjects, and Frees is the rest of Mallocs.
 *
 * purges: how often gc=1 was asked for; Go's NumForcedGC.
 * Thread: a worker thread: it visits every arena.
 */
void heap_facts_append(struct buf *out, uint64_t purges);

#endif
