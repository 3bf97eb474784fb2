/* SPDX-License-Identifier: MIT
 *
 * heap_facts.h - the state of the allocator as a whole.
 */
#ifndef TOQ_PROFILING_HEAP_FACTS_H
#define TOQ_PROFILING_HEAP_FACTS_H

#include "core/base/buf.h"

/* heap_facts_append writes jemalloc's statistics under the names of Go's runtime.MemStats, 0 where
 * there is no counterpart, and under their own.
 *
 * purges: how often gc=1 was asked for; Go's NumForcedGC.
 * Thread: a worker thread: it visits every arena.
 */
void heap_facts_append(struct buf *out, uint64_t purges);

#endif
