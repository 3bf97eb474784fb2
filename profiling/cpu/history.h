/* SPDX-License-Identifier: MIT
 *
 * history.h - the CPU profile of the last minutes: windows of samples, taken continuously at a low
 * rate, so that an incident that nobody watched has a profile.
 *
 * Flow:    history_start -> the sampler's samples -> a window is full -> the ring keeps it, the
 *          oldest goes; history_read -> code_refresh -> windows merged, named and packed on a
 *          worker thread -> on_done on the loop
 * Failure: samples that found no room are counted as lost.
 * Memory:  the stacks of the windows in the ring at most bytes_max, beyond which the oldest go
 *          early; the window that is being filled, and a reader's sum, as in stacks.h. A window
 *          without samples takes 56 bytes.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_CPU_HISTORY_H
#define TOQ_PROFILING_CPU_HISTORY_H

#include "core/loop/pool.h"
#include "profiling/cpu/history_window.h"

#define HISTORY_HZ          19 /* no common period with work in whole milliseconds */
#define HISTORY_WINDOW_MS   10000
#define HISTORY_BYTES_MAX   (64u << 20)
#define HISTORY_WINDOWS_MAX 360 /* an hour */
#define HISTORY_READS_MAX   4   /* at a time */

struct history_options {
    struct loop *loop;
    struct pool *pool;
    size_t windows;     /* kept beside the one that is being filled; 1 or more */
    uint64_t window_ms; /* how long one is, at least: HISTORY_WINDOW_MS */
    size_t bytes_max;   /* HISTORY_BYTES_MAX */
};

struct history_stats {
    uint64_t samples; /* taken, since the process began, weighted by timer overruns */
    uint64_t lost;    /* for want of room, as of the last full window */
    uint64_t windows; /* in the ring */
    uint64_t bytes;   /* of the ring and the window that is being filled */
};

/* history_done_fn hands over the profile: `data` of `len` bytes, borrowed until it returns, when
 * status is 0; otherwise NULL and what went wrong: profiler_strerror. */
typedef void (*history_done_fn)(void *arg, int status, const char *data, size_t len);

struct history_read;

/* history_start begins to sample as soon as stacks can be walked; after code_start and
 * sampler_start.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int history_start(const struct history_options *options);

/* history_stop ends it, forgets everything and cancels what is being read; before code_stop and
 * sampler_stop. Harmless when it was not started. */
void history_stop(void);

/* history_is_on tells whether history_start succeeded, and nobody stopped it. */
bool history_is_on(void);

/* history_get_span_ns is how long ago the oldest window began; 0 while there is none. */
uint64_t history_get_span_ns(void);

/* history_read begins to make the profile of an interval that has begun. When a sample was taken is
 * known to half the time between two drains, half a second.
 *
 * interval: not empty; what is yet to come of it is left out. on_done runs exactly once, on the
 * loop, never from inside history_read, unless history_cancel or history_stop came first.
 *
 * Returns: 0 with *ret_read set, valid until on_done or history_cancel; UV_ERANGE the oldest window
 *          began later; UV_EBUSY HISTORY_READS_MAX are being read; UV_ENOMEM.
 */
MUST_USE int history_read(const struct history_interval *interval, history_done_fn on_done,
                          void *arg, struct history_read **ret_read);

/* history_read_columns begins to sum up the CPU time of each whole second that is kept, the last
 * ends with the last drain; as history_read, but that on_done gets history_columns_write's JSON.
 *
 * Returns: 0 with *ret_read set; UV_ERANGE there is no whole second yet; UV_EBUSY; UV_ENOMEM.
 */
MUST_USE int history_read_columns(history_done_fn on_done, void *arg,
                                  struct history_read **ret_read);

/* history_cancel ends a read; on_done does not run. */
void history_cancel(struct history_read *read);

/* history_get_stats reads the account. */
struct history_stats history_get_stats(void);

#endif
