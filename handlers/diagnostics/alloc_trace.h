/* SPDX-License-Identifier: MIT
 *
 * alloc_trace.h - logs the allocator's statistics every ALLOC_TRACE_MS, as GODEBUG=gctrace=1 does
 * for a Go program.
 *
 * Thread: the loop of diagnostics.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_ALLOC_TRACE_H
#define TOQ_HANDLERS_DIAGNOSTICS_ALLOC_TRACE_H

#include "core/loop/loop.h"

struct alloc_trace {
    struct loop *loop;
    uint64_t every_ms;
    uint64_t allocated_bytes; /* at the last line */
    struct wheel_timer timer;
};

/* alloc_trace_start begins with a line at once; 0 for every_ms: it does nothing. */
void alloc_trace_start(struct alloc_trace *trace, struct loop *loop, uint64_t every_ms);

/* alloc_trace_stop ends it; harmless when it was not started. */
void alloc_trace_stop(struct alloc_trace *trace);

#endif
