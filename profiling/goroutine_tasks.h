/* SPDX-License-Identifier: MIT
 *
 * goroutine_tasks.h - the registry of tasks as it was at one moment: copied on the loop in a few
 * ten nanoseconds per task, made stacks of on a worker thread.
 *
 * Memory: about 150 bytes per task while the copy lives.
 */
#ifndef TOQ_PROFILING_GOROUTINE_TASKS_H
#define TOQ_PROFILING_GOROUTINE_TASKS_H

#include "profiling/task_frames.h"

struct goroutine_task {
    uint64_t id;
    uint64_t state_ns; /* clock_now_ns, since when it is in its state */
    const char *state; /* a literal */
    struct task_frames frames;
};

struct goroutine_tasks {
    struct goroutine_task *items; /* owned, the oldest first */
    size_t count;
    uint64_t now_ns;  /* clock_now_ns of the copy */
    uint64_t took_ns; /* how long it held the loop */
};

/* goroutine_tasks_copy copies the registry.
 *
 * tasks: an all-zero struct.
 * Returns: 0; UV_ENOMEM.
 * Thread:  the loop.
 */
MUST_USE int goroutine_tasks_copy(struct goroutine_tasks *tasks);

/* goroutine_tasks_deinit frees a copy. Thread: any. */
void goroutine_tasks_deinit(struct goroutine_tasks *tasks);

#endif
