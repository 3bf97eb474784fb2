/* SPDX-License-Identifier: MIT
 *
 * goroutine_tasks.c - a copy of what the profile needs, and nothing else, while the loop stands still.
 */
#include "profiling/goroutine_tasks.h"

#include <stdlib.h>
#include <uv.h>

#include "core/base/clock.h"

static void copy_task(struct task *task, void *arg)
{
    struct goroutine_tasks *tasks = arg;
    struct goroutine_task *copy = &tasks->items[tasks->count++];
    copy->id = task->id;
    copy->state_ns = task->state_ns;
    copy->state = task->state;
    task_frames_read(task, &copy->frames);
}

int goroutine_tasks_copy(struct goroutine_tasks *tasks)
{
    tasks->now_ns = clock_now_ns();
    tasks->items = malloc((task_count() + 1) * sizeof(*tasks->items)); /* of none: not NULL */
    if (tasks->items == NULL) {
        return UV_ENOMEM;
    }
    task_for_each(copy_task, tasks);
    tasks->took_ns = clock_now_ns() - tasks->now_ns;
    return 0;
}

void goroutine_tasks_deinit(struct goroutine_tasks *tasks)
{
    free(tasks->items);
    *tasks = (struct goroutine_tasks){0};
}
