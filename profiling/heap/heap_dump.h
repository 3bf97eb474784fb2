/* SPDX-License-Identifier: MIT
 *
 * heap_dump.h - reads a dump of jemalloc's, format heap_v2, and scales up what it sampled.
 *
 * Source: prof_data.c and doc_internal/PROFILING_INTERNALS.md of jemalloc 5.3.
 * Memory: the caller's stack: a line at a time.
 * Thread: any.
 */
#ifndef TOQ_PROFILING_HEAP_HEAP_DUMP_H
#define TOQ_PROFILING_HEAP_HEAP_DUMP_H

#include <stdio.h>

#include "core/base/base.h"

#define HEAP_DUMP_FRAMES_MAX 128 /* jemalloc's PROF_BT_MAX */

struct heap_amount {
    int64_t objects;
    int64_t bytes;
};

/* One stack of a dump: what it sampled. */
struct heap_dump_stack {
    uint64_t frames[HEAP_DUMP_FRAMES_MAX]; /* the innermost first */
    size_t frame_count;                    /* at least 1 */
    struct heap_amount in_use;
    struct heap_amount allocated; /* since the start; 0 without prof_accum */
};

typedef void (*heap_dump_fn)(void *arg, const struct heap_dump_stack *stack);

/* heap_dump_read calls on_stack for each stack of a dump; what it does not understand it skips.
 *
 * Owns:    the stack is borrowed until on_stack returns.
 * Returns: 0; UV_EPROTO when the file is no dump.
 */
MUST_USE int heap_dump_read(FILE *file, heap_dump_fn on_stack, void *arg);

/* heap_unsample estimates what was allocated from what was sampled at one stack, one sample in
 * `rate` bytes.
 *
 * Source: scaleHeapSample of Go's runtime/pprof.
 */
struct heap_amount heap_unsample(struct heap_amount sampled, uint64_t rate);

#endif
