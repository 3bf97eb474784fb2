/* SPDX-License-Identifier: MIT
 *
 * goroutine_look.h - a look at everything in flight, for the profile and the dump.
 *
 * Flow:    goroutine_look_start -> code_refresh -> [worker] slots of tasks, threads, then `work` ->
 *          `done` -> goroutine_look_deinit
 * Thread:  the loop, but for `work`.
 */
#ifndef TOQ_PROFILING_TASK_GOROUTINE_LOOK_H
#define TOQ_PROFILING_TASK_GOROUTINE_LOOK_H

#include "profiling/code/code.h"
#include "profiling/task/goroutine_tasks.h"
#include "profiling/task/goroutine_threads.h"
#include "profiling/write/trace_filter.h"

/* Embedded in its owner, and the owner's again when `done` runs. */
struct goroutine_look {
    /* Set by the owner; the rest starts as zero. */
    struct loop *loop;
    struct pool *pool;
    struct trace_filter traces;
    int (*work)(
        struct goroutine_look *look); /* on a worker thread: makes something of it; 0, UV_ENOMEM */
    void (*done)(struct goroutine_look *look,
                 int status); /* 0; what code_refresh says; what work says */

    struct goroutine_tasks tasks;
    struct goroutine_threads threads;
    struct code_wait code_wait;
    struct pool_job job;
    const struct maps *maps; /* held so that symbols can be looked up */
    int status;
};

/* goroutine_look_start begins it. look->done runs exactly once, on the loop, never from inside
 * goroutine_look_start.
 *
 * Returns: 0; what code_refresh says: look->done does not run.
 */
MUST_USE int goroutine_look_start(struct goroutine_look *look);

/* goroutine_look_deinit frees what was seen; from look->done on. */
void goroutine_look_deinit(struct goroutine_look *look);

#endif
