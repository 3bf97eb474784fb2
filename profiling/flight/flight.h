/* SPDX-License-Identifier: MIT
 *
 * flight.h - what the loops did in the last seconds, as a file for ui.perfetto.dev: when it is
 * asked for, and by itself when something goes wrong.
 *
 * Flow:    recorder_trigger, by any thread -> a look every 100 ms -> a copy of the rings, and the
 *          trace, on a worker thread -> a file
 * Failure: no memory, or a disk that is full: there is no file, and the log says so.
 * Memory:  the CPU samples of about a minute; while a trace is made, a copy of the rings and
 *          FLIGHT_BYTES_MAX. On disk at most FLIGHT_FILES_MAX files, the oldest go; one in
 *          FLIGHT_PAUSE_MS for each reason.
 * Thread:  the loop of diagnostics.
 */
#ifndef TOQ_PROFILING_FLIGHT_FLIGHT_H
#define TOQ_PROFILING_FLIGHT_FLIGHT_H

#include "core/loop/pool.h"

#define FLIGHT_BYTES_MAX   (64u << 20)
#define FLIGHT_FILES_MAX   8
#define FLIGHT_PAUSE_MS    30000
#define FLIGHT_FILE_S      30 /* so much of the past is in a file */
#define FLIGHT_TAKES_MAX   2  /* at a time; others wait for their turn */
#define FLIGHT_WAITING_MAX 16

struct flight_options {
    struct loop *loop;
    struct pool *pool;
    const char *dir;  /* of files; "": none are written. Borrowed */
    bool has_samples; /* the profiler runs, and gives CPU samples */
    /* Told of a file, or why there is none; NULL: nobody. */
    void (*on_file)(const char *reason, const char *path, int status);
};

/* flight_start begins to keep samples, and to look for triggers. */
void flight_start(const struct flight_options *options);

/* flight_stop ends that; before the profiler stops. Harmless when it was not started. */
void flight_stop(void);

/* A flight_done_fn gets a trace of `len` bytes, its own to free(); NULL and why not: UV_ENOMEM,
 * UV_ECANCELED. */
typedef void (*flight_done_fn)(void *arg, int status, char *data, size_t len);

struct flight_take;

/* flight_take_start makes a trace of the last ago_ns.
 *
 * Returns: 0, and done runs exactly once, later, unless flight_take_cancel comes first; UV_EBUSY:
 *          FLIGHT_WAITING_MAX wait; UV_ENOMEM; UV_ENOENT: nothing is recorded.
 */
MUST_USE int flight_take_start(uint64_t ago_ns, flight_done_fn done, void *arg,
                               struct flight_take **ret_take);

/* flight_take_cancel discards a trace: done does not run. */
void flight_take_cancel(struct flight_take *take);

#endif
