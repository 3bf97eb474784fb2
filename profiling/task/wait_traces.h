/* SPDX-License-Identifier: MIT
 *
 * wait_traces.h - which of the waits in a table of sites belong to which span: those of late, and,
 * while a profile's window is open, those that it wants.
 *
 * Flow:    wait_traces_add at the end of each wait -> the ring, the windows -> wait_traces_copy
 * Failure: the ring forgets the oldest; a window that is full counts what it drops.
 * Memory:  the ring 160 KiB; a window up to 2.5 MiB.
 * Thread:  one at a time: the lock is the caller's.
 */
#ifndef TOQ_PROFILING_TASK_WAIT_TRACES_H
#define TOQ_PROFILING_TASK_WAIT_TRACES_H

#include "core/base/list.h"
#include "profiling/write/trace_filter.h"

#define WAIT_TRACES_RECENT_MAX 4096
#define WAIT_TRACES_WINDOW_MAX 65536

/* Waits at one site, or time that it ran, of one span. */
struct wait_trace {
    struct trace_ids ids;
    uint64_t ns;
    uint32_t count;
    uint32_t site; /* its position in struct sites */
};

/* What came since a profile's window was opened. */
struct wait_window {
    struct list link;
    struct trace_filter traces;
    uint64_t stall_mark; /* watchdog_mark, when it was opened */
    size_t count;
    uint64_t dropped;
    struct wait_trace items[WAIT_TRACES_WINDOW_MAX]; /* memory that is not written is not used */
};

struct wait_traces {
    struct list windows;
    uint64_t added; /* to the ring, ever */
    struct wait_trace recent[WAIT_TRACES_RECENT_MAX];
};

/* wait_traces_create makes an empty ring without windows.
 *
 * Returns: NULL when memory is missing.
 * Owns:    the caller frees it with free().
 */
struct wait_traces *wait_traces_create(void);

/* wait_traces_add adds a wait that has ended; one of no trace is left out. */
void wait_traces_add(struct wait_traces *traces, const struct wait_trace *added);

/* wait_traces_count is how many wait_traces_copy copies.
 *
 * window: what the window has; NULL: the ring.
 */
size_t wait_traces_count(const struct wait_traces *traces, const struct wait_window *window);

/* wait_traces_copy copies all that wait_traces_count counts, in no order. */
void wait_traces_copy(const struct wait_traces *traces, const struct wait_window *window,
                      struct wait_trace *ret_items);

/* wait_traces_sum sorts waits by site and span, and makes one of those that have both in common.
 *
 * Returns: how many are left.
 */
size_t wait_traces_sum(struct wait_trace *items, size_t count);

#endif
