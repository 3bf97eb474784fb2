/* SPDX-License-Identifier: MIT
 *
 * goroutine.h - the tasks in flight and the threads, printed as a Go program prints its goroutines;
 * source_goroutine is the profile of the same.
 *
 * Flow:    goroutine_dump_start -> the slots of tasks, stacks of the threads, symbols and text on a
 *          worker thread -> on_done on the loop
 * Memory:  at most GOROUTINE_DUMP_BYTES_MAX per dump, and the copy of the registry.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_TASK_GOROUTINE_H
#define TOQ_PROFILING_TASK_GOROUTINE_H

#include "core/loop/pool.h"
#include "profiling/write/trace_filter.h"

#define GOROUTINE_DUMP_BYTES_MAX (64u << 20) /* Go's */
#define GOROUTINE_DUMPS_MAX      4           /* at a time */

struct goroutine_dump;

struct goroutine_dump_options {
    struct loop *loop;
    struct pool *pool;
    struct trace_filter traces;
};

/* goroutine_dump_fn hands over the text: `data` of `len` bytes when status is 0, the receiver's to
 * free() from then on; otherwise NULL and what went wrong: profiler_strerror. */
typedef void (*goroutine_dump_fn)(void *arg, int status, char *data, size_t len);

/* goroutine_dump_start begins a dump; the profiler must run.
 *
 * on_done runs exactly once, on the loop, never from inside goroutine_dump_start, unless
 * goroutine_dump_cancel came first.
 *
 * Returns: 0 with *ret_dump set, valid until on_done or goroutine_dump_cancel; UV_EBUSY
 *          GOROUTINE_DUMPS_MAX are under way, cancelled ones included; UV_ENOMEM.
 */
MUST_USE int goroutine_dump_start(const struct goroutine_dump_options *options,
                                  goroutine_dump_fn on_done, void *arg,
                                  struct goroutine_dump **ret_dump);

/* goroutine_dump_cancel discards a dump; on_done does not run. */
void goroutine_dump_cancel(struct goroutine_dump *dump);

#endif
