/* SPDX-License-Identifier: MIT
 *
 * cpu.h - a CPU profile of the whole process over a window of time, as a gzipped pprof protobuf.
 *
 * Flow:    profiler_start (once) -> cpu_start -> the sampler's samples, every 100 ms -> uv timer
 *          ends the window -> symbols, protobuf and gzip on a worker thread -> on_done on the loop
 * Failure: a second capture gets UV_EBUSY; a thread without a timer is counted; lost samples are
 *          counted.
 * Memory:  one capture's stacks are bounded; what is dropped is counted.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_CPU_CPU_H
#define TOQ_PROFILING_CPU_CPU_H

#include "core/loop/pool.h"
#include "profiling/write/trace_filter.h"

struct cpu_stats {
    uint64_t samples;         /* taken, in all captures, weighted by timer overruns */
    uint64_t lost;            /* ring full or stack table full */
    uint64_t truncated;       /* stacks that ended before the thread's start */
    uint64_t threads_untimed; /* threads for which no timer could be made */
    uint64_t captures;        /* captures that ended with a profile */
    uint64_t handler_ns;      /* time spent in the signal handler, for the history as well */
};

struct cpu_options {
    uint64_t seconds;
    unsigned hz; /* samples per CPU second and thread */
    struct trace_filter traces;
};

/* cpu_done_fn hands over the profile: `data` of `len` bytes, borrowed until it returns, when status
 * is 0; otherwise NULL and what went wrong: profiler_strerror. */
typedef void (*cpu_done_fn)(void *arg, int status, const char *data, size_t len);

struct cpu_capture;

/* cpu_init makes captures possible; after code_start and sampler_start. */
void cpu_init(struct loop *loop, struct pool *pool);

/* cpu_deinit cancels a running capture; before code_stop and sampler_stop. */
void cpu_deinit(void);

/* cpu_start begins a capture.
 *
 * on_done runs exactly once, on the loop, never from inside cpu_start, unless cpu_cancel came
 * first.
 *
 * Returns: 0 with *ret_capture set, valid until on_done or cpu_cancel; UV_EBUSY a capture is
 * running; UV_ENOMEM.
 */
MUST_USE int cpu_start(const struct cpu_options *options, cpu_done_fn on_done, void *arg,
                       struct cpu_capture **ret_capture);

/* cpu_cancel ends a capture and discards it; on_done does not run. A new one may start at once, or
 * gets UV_EBUSY until a worker thread that still holds the old one is done. */
void cpu_cancel(struct cpu_capture *capture);

/* cpu_traces is of which traces a capture is. */
const struct trace_filter *cpu_traces(const struct cpu_capture *capture);

/* cpu_get_stats reads the profiler's account of itself. */
struct cpu_stats cpu_get_stats(void);

#endif
