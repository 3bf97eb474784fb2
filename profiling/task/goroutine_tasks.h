/* SPDX-License-Identifier: MIT
 *
 * goroutine_tasks.h - copies of the tasks in flight, taken from their slots in some tens of
 * nanoseconds each, while the loop goes on. Each copy is whole; all of them together are not of one
 * moment.
 *
 * Memory: about 200 bytes per task while the copy lives.
 */
#ifndef TOQ_PROFILING_TASK_GOROUTINE_TASKS_H
#define TOQ_PROFILING_TASK_GOROUTINE_TASKS_H

#include "profiling/task/task_frames.h"

struct goroutine_task {
    uint64_t id;
    uint64_t state_ns; /* clock_now_ns, since when it is in its state */
    const char *state; /* a literal */
    bool is_leaked;    /* nothing will ever wake it; see goroutine_tasks_confirm */
    uint32_t slot;
    struct trace_ids trace;
    struct task_frames frames;
};

struct goroutine_tasks {
    struct goroutine_task *items; /* owned, the oldest first */
    size_t count;
    uint64_t now_ns; /* clock_now_ns, when all were copied */
};

/* goroutine_tasks_copy copies all tasks that are in flight before it begins and still are when it
 * ends.
 *
 * tasks: an all-zero struct.
 * Returns: 0; UV_ENOMEM.
 * Thread:  any, one at a time.
 */
MUST_USE int goroutine_tasks_copy(struct goroutine_tasks *tasks);

/* goroutine_tasks_confirm looks at those that seem leaked once more, a moment later: a request may
 * have been between two callbacks of one turn. Without any of them it returns at once.
 *
 * Returns: how many are leaked.
 * Thread:  one that may wait for 20 ms.
 */
size_t goroutine_tasks_confirm(struct goroutine_tasks *tasks);

/* goroutine_tasks_deinit frees a copy. Thread: any. */
void goroutine_tasks_deinit(struct goroutine_tasks *tasks);

#endif
