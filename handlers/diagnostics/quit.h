/* SPDX-License-Identifier: MIT
 *
 * quit.h - the dump that SIGQUIT prints to stderr: the requests in flight and each thread's stack,
 * in the format of a Go program's goroutines. The server goes on.
 *
 * Failure: without the profiler, one line for each task in flight.
 * Thread:  the loop of diagnostics; stderr is written on a thread, since its reader may be slow.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_QUIT_H
#define TOQ_HANDLERS_DIAGNOSTICS_QUIT_H

#include "core/loop/pool.h"
#include "handlers/diagnostics/pprof/pprof.h"

struct quit {
    struct loop *loop;
    struct pool *pool;
    const struct pprof *pprof;
    struct pool_job job;
    char *text; /* NULL: the tasks' lines are printed */
    size_t len;
    bool is_busy;
};

/* quit_dump begins to print; while it does, further calls do nothing. */
void quit_dump(struct quit *quit);

/* quit_stop gives up what is not printed yet: the pool of threads is about to go.
 *
 * Thread: main, when the loops have stopped.
 */
void quit_stop(struct quit *quit);

#endif
