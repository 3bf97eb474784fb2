/* SPDX-License-Identifier: MIT
 *
 * heap_own.h - how much memory the profiler's threads have taken: tables for unwinding, symbols,
 * debug information that is read, profiles that are made.
 *
 * The threads allocate from an arena of jemalloc's that nobody else uses, so its account is exact,
 * whoever frees. What a thread's cache holds counts as taken.
 *
 * Failure: without jemalloc, or without memory for an arena, nothing is known.
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
