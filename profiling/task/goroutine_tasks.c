/* SPDX-License-Identifier: MIT
 *
 * goroutine_tasks.c - a copy of what the profile needs, and nothing else.
 */
#include "profiling/task/goroutine_tasks.h"

#include <stdlib.h>
#include <uv.h>

#include "core/base/clock.h"

static int compare_ages(const void *a, const void *b)
{
    const struct goroutine_task *left = a;
    const struct goroutine_task *right = b;
    return left->id < right->id ? -1 : left->id > right->id;
}

int goroutine_tasks_copy(struct goroutine_tasks *tasks)
{
    const uint32_t count = task_slots_count();
    tasks->items = malloc((count + 1) * sizeof(*tasks->items)); /* of none: not NULL */
    if (tasks->items == NULL) {
        return UV_ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct task_facts facts;
        if (task_slots_copy(i, &facts)) {
            struct goroutine_task *copy = &tasks->items[tasks->count++];
            copy->id = facts.id;
            copy->state_ns = facts.state_ns;
            copy->state = facts.state;
            copy->is_leaked = facts.state == task_state_forgotten;
            task_frames_from(&facts, &copy->frames);
        }
    }
    tasks->now_ns = clock_now_ns();
    qsort(tasks->items, tasks->count, sizeof(*tasks->items), compare_ages);
    return 0;
}

void goroutine_tasks_deinit(struct goroutine_tasks *tasks)
{
    free(tasks->items);
    *tasks = (struct goroutine_tasks){0};
}
