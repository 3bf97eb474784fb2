/* SPDX-License-Identifier: MIT
 *
 * held.h - logs that a handler holds the work loop, while it does: the route, the time, and the
 * stack.
 *
 * Flow:   held_start -> each tick loop_held_ns -> WARN at HELD_LOOP_WARN_MS, 10 s and 60 s, and a
 *         line at the end
 * Thread: the loop of diagnostics. Where it is the work loop, nothing is logged: it could only see
 *         the end.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_HELD_H
#define TOQ_HANDLERS_DIAGNOSTICS_HELD_H

#include "handlers/diagnostics/pprof/pprof.h"

struct held_options {
    struct loop *loop;
    const struct loop *work;
    pid_t work_tid;            /* the thread of `work` */
    const struct pprof *pprof; /* which tells where the thread is, if it has started */
    uint64_t warn_ms;
};

struct held {
    struct held_options options;
    struct wheel_timer timer;
    bool is_on;
    uint64_t turn;     /* that was looked at last ... */
    uint64_t held_ms;  /* ... had held the loop for so long by then */
    size_t said;       /* lines about that turn */
    bool is_asking;    /* for the stack: the line is written with it */
    uint64_t asked_ms; /* held_ms of that line ... */
    uint32_t label;    /* ... and of the task that it is about */
    uint64_t task;
};

/* held_start begins to look; 0 for warn_ms: it does not. */
void held_start(struct held *held, const struct held_options *options);

/* held_stop ends it; what was asked for is dropped when it comes, so `held` lives until the loop
 * has ended. Harmless when it was not started. */
void held_stop(struct held *held);

#endif
