/* SPDX-License-Identifier: MIT
 *
 * waits.h - what tasks of this process waited for since the profiler started, each wait counted,
 * and how long they ran while somebody wants to know.
 *
 * Flow:   task_park ... task_unpark -> sites_add, wait_traces_add; waits_take -> copy ->
 *         [worker] stacks -> done
 * Thread: the profiler's loop; waits of every loop are counted.
 */
#ifndef TOQ_PROFILING_TASK_WAITS_H
#define TOQ_PROFILING_TASK_WAITS_H

#include "profiling/task/sites.h"
#include "profiling/task/wait_traces.h"
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

/* waits_open_window begins to keep the waits that a profile over some seconds wants, when it wants
 * ids; without memory its take fails. A source's begin. */
void waits_open_window(struct source_take *take);

/* waits_close_window ends that. A source's end. */
void waits_close_window(struct source_take *take);

/* A copy of all waits. */
struct waits_copy {
    struct sites *sites;
    struct wait_trace *traces; /* NULL unless ids are wanted */
    size_t trace_count;
    size_t trace_cap;
};

/* waits_copy copies the table, between waits_start and waits_stop, and the ids that a profile
 * wants; without a window those of the last WAIT_TRACES_RECENT_MAX waits of requests with ids.
 *
 * take: NULL: without ids.
 * Returns: false when memory is missing.
 * Owns:    waits_take or waits_copy_deinit frees it.
 */
MUST_USE bool waits_copy(const struct source_take *take, struct waits_copy *ret_copy);

/* waits_copy_deinit frees a copy. */
void waits_copy_deinit(struct waits_copy *copy);

/* waits_copy_add adds a wait to a copy that goes on.
 *
 * slot: its task's.
 */
void waits_copy_add(struct waits_copy *copy, uint32_t slot, const struct task_facts *facts,
                    uint64_t ns);

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

/* waits_take answers a source's take with a table's sites, and the ids that it wants.
 *
 * copy:    freed in any case.
 * Returns: as source.take.
 */
MUST_USE int waits_take(struct loop *loop, struct pool *pool, struct source_take *take,
                        struct waits_copy *copy, waits_value_fn value);

#endif
