/* SPDX-License-Identifier: MIT
 *
 * waits.h - what tasks of this process waited for since the profiler started, each wait counted,
 * and how long they ran while somebody wants to know.
 *
 * Flow:   task_park ... task_unpark -> sites_add; waits_take -> copy -> [worker] stacks -> done
 * Thread: the profiler's loop; waits of every loop are counted.
 */
#ifndef TOQ_PROFILING_TASK_WAITS_H
#define TOQ_PROFILING_TASK_WAITS_H

#include "profiling/task/sites.h"
#include "profiling/write/source.h"

/* The states of requests that wait for a profile; block and wall leave them out. */
#define WAITS_PROFILE     "profile"
#define WAITS_CPU_PROFILE "cpu profile"

/* waits_start begins to count. Returns: 0; UV_ENOMEM. */
MUST_USE int waits_start(void);

/* waits_stop stops and forgets. Harmless when it was not started. */
void waits_stop(void);

/* waits_measure_runs counts the time that tasks run, too, until as often `false` as `true` was
 * said; between waits_start and waits_stop. */
void waits_measure_runs(bool is_on);

/* waits_copy copies the table, between waits_start and waits_stop.
 *
 * Returns: NULL when memory is missing.
 * Owns:    the caller frees it with free().
 */
struct sites *waits_copy(void);

struct waits_stats {
    uint64_t count;   /* waits that have ended */
    uint64_t dropped; /* counts that found no room in the table */
};

/* waits_get_stats reads the account. */
struct waits_stats waits_get_stats(void);

/* waits_is_for_profile tells whether a site is where a request waits for a profile. These waits
 * last as long as their windows: on a quiet server nearly all there is, and nobody is interested in
 * them. They are counted as any other, and left out of what is shown.
 * Thread: any. */
bool waits_is_for_profile(const struct site *site);

/* A waits_value_fn says what a site is worth in a profile; runs on a worker thread.
 *
 * ret_values: STACKS_VALUES_MAX, zero.
 * Returns: false when the site is not in this profile. */
typedef bool (*waits_value_fn)(const struct site *site, int64_t *ret_values);

/* waits_take answers a source's take with a table's sites.
 *
 * sites:   a copy; freed in any case. NULL stands for missing memory.
 * Returns: as source.take.
 */
MUST_USE int waits_take(struct loop *loop, struct pool *pool, struct source_take *take,
                        struct sites *sites, waits_value_fn value);

#endif
