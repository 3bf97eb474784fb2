/* SPDX-License-Identifier: MIT
 *
 * task_frames.h - the stack that profiles show for a task: what it waits for <- the calls that
 * parked it <- its handler <- its route.
 *
 * Flow: task_slots_copy -> task_frames_from -> task_frames_list on a worker thread -> stacks_add
 */
#ifndef TOQ_PROFILING_TASK_TASK_FRAMES_H
#define TOQ_PROFILING_TASK_TASK_FRAMES_H

#include "core/task/task.h"

#define TASK_FRAMES_MAX (TASK_AWAIT_FRAMES_MAX + 3) /* and state, handler, route */

/* Where a task is; a copy that outlives it. */
struct task_frames {
    uint64_t state; /* synthetic_state of what it waits for; 0: it runs */
    const void *await_stack[TASK_AWAIT_FRAMES_MAX];
    uint8_t await_depth;
    const void *handler; /* NULL: unknown */
    uint32_t label;
};

/* task_frames_from reads it from a copy of what the task shows.
 *
 * Thread: any.
 */
void task_frames_from(const struct task_facts *facts, struct task_frames *ret_frames);

/* task_frames_list writes the stack, the innermost frame first. The handler's frame is the place in
 * it where the stack passes through it, and what lies outside of that is left out: how the request
 * got there is the same for all. A task that was resumed by a callback has only its handler's
 * start.
 *
 * ret_addresses: TASK_FRAMES_MAX of them.
 * Returns: how many, at least 1.
 * Thread:  a worker thread with a snapshot of code_get: it looks symbols up.
 */
size_t task_frames_list(const struct task_frames *frames, uint64_t *ret_addresses);

#endif
