/* SPDX-License-Identifier: MIT
 *
 * sites.h - a table of fixed size: for each site the number and time of the waits and runs of
 * tasks. Each change of a task's state adds to it, in some tens of nanoseconds.
 *
 * Flow:    sites_create -> sites_add ... -> sites_copy -> [worker] sites_stack
 * Failure: further sites count as one, "other".
 * Memory:  SITES_MAX sites, about 350 KiB, taken at once.
 * Thread:  one at a time.
 */
#ifndef TOQ_PROFILING_TASK_SITES_H
#define TOQ_PROFILING_TASK_SITES_H

#include "profiling/task/task_frames.h"
#include "profiling/write/stacks.h"

#define SITES_MAX   2048
#define SITES_CELLS (2 * SITES_MAX) /* a power of two, so at most half are in use */

struct site {
    const char *state; /* a literal */
    struct task_frames frames;
    uint64_t count;
    uint64_t ns;
};

struct sites {
    struct site items[SITES_MAX]; /* the first: what found no room */
    uint16_t cells[SITES_CELLS];  /* positions in items; 0: empty */
    size_t count;
    uint64_t dropped; /* counts that went to the first */
};

/* sites_create makes an empty table.
 *
 * Returns: NULL when memory is missing.
 * Owns:    the caller frees it with free().
 */
struct sites *sites_create(void);

/* sites_copy makes another table with the same content. Returns, Owns: as sites_create. */
struct sites *sites_copy(const struct sites *sites);

/* sites_add counts a task at the place where it is: in its state, with its await stack, when it
 * waits; in its handler when it runs.
 *
 * Returns: the position of the site in `items`, which stays.
 */
uint32_t sites_add(struct sites *sites, const struct task_facts *facts, uint64_t count,
                   uint64_t ns);

/* sites_stack writes the stack and the labels of a site.
 *
 * ret_addresses: TASK_FRAMES_MAX of them.
 * Returns: how many.
 * Thread:  as task_frames_list.
 */
size_t sites_stack(const struct site *site, uint64_t *ret_addresses,
                   struct stacks_labels *ret_labels);

#endif
