/* SPDX-License-Identifier: MIT
 *
 * profiler.h - starts and stops all profiles.
 *
 * Thread: the profiler's loop; main, while that does not run. profiler_start is called on the
 *         thread of the loop whose stalls are recorded.
 */
#ifndef TOQ_PROFILING_PROFILER_H
#define TOQ_PROFILING_PROFILER_H

#include "profiling/cpu/cpu.h"
#include "profiling/cpu/history.h"
#include "profiling/heap/heap.h"
#include "profiling/task/block.h"
#include "profiling/thread/mutex.h"

struct profiler_options {
    struct loop *loop; /* on which the profiler runs */
    struct loop *work; /* whose stalls are recorded; NULL: those of the same */
    struct pool
        *pool; /* encodes, reads files, asks threads: its jobs wait for none but each other */
    uint32_t mutex_fraction; /* one in so many contentions of mutexes is recorded; 0: none */
    size_t history_windows;  /* kept; 0: no history. HISTORY_WINDOWS_MAX at most */
    uint64_t block_ms;       /* callbacks that hold the loop for so long are recorded; 0: none */

    /* Told whenever CPU samples begin and threads cannot have timers, so that the process's CPU
     * timer paces them. status: why, a negative errno. NULL: nobody. */
    void (*on_itimer)(int status);
};

/* profiler_start begins to build the unwind table on a worker thread, so that the first profile
 * finds it, and starts what records all the time.
 *
 * Returns: 0, or a negative UV_* or errno. On an error nothing runs.
 */
MUST_USE int profiler_start(const struct profiler_options *options);

/* profiler_stop ends what runs and frees what nobody uses any more; the loop must still turn for
 * jobs to come home, before the pool is destroyed or afterwards. Harmless when it was not
 * started. */
void profiler_stop(void);

/* profiler_join_thread says that the calling thread works for the profiler alone: its memory is the
 * profiler's from now on. What each thread of profiler_options.pool calls first, for
 * pool_on_thread. */
void profiler_join_thread(void);

/* What the profiler says of itself. */
struct profiler_stats {
    struct block_stats block;
    struct cpu_stats cpu;
    struct heap_stats heap;
    struct history_stats history;
    struct mutex_stats mutex;
    uint64_t label_overflow; /* label sets that became "other" */
    uint64_t table_bytes;    /* heap_own_bytes */
    uint64_t ring_bytes;     /* threads_get_bytes */
};

/* profiler_get_stats reads the accounts of all profiles. */
struct profiler_stats profiler_get_stats(void);

/* profiler_strerror is why there is no profile, for a status that a capture, a dump, the history or
 * a named profile ended with: uv_strerror, with what is missing or limits it.
 *
 * Thread: any.
 */
const char *profiler_strerror(int status);

#endif
