/* SPDX-License-Identifier: MIT
 *
 * goroutine_tasks.c - copies what the profile needs of each task.
 */
#include "profiling/task/goroutine_tasks.h"

#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "core/base/clock.h"

#define CONFIRM_NS (20 * NS_PER_MS)

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
            copy->slot = i;
            copy->is_leaked = task_is_leaked(&facts);
            task_slots_copy_ids(i, facts.id, &copy->trace);
            task_frames_from(&facts, &copy->frames);
        }
    }
    tasks->now_ns = clock_now_ns();
    qsort(tasks->items, tasks->count, sizeof(*tasks->items), compare_ages);
    return 0;
}

static bool has_leaked(const struct goroutine_tasks *tasks)
{
    bool is_found = false;
    for (size_t i = 0; i < tasks->count && !is_found; i++) {
        is_found = tasks->items[i].is_leaked;
    }
    return is_found;
}

size_t goroutine_tasks_confirm(struct goroutine_tasks *tasks)
{
    static const struct timespec pause = {.tv_nsec = CONFIRM_NS};
    size_t count = 0;
    if (!has_leaked(tasks)) {
        return 0;
    }
    (void)nanosleep(&pause, NULL);
    for (size_t i = 0; i < tasks->count; i++) {
        struct goroutine_task *task = &tasks->items[i];
        struct task_facts facts;
        task->is_leaked = task->is_leaked && task_slots_copy(task->slot, &facts) &&
                          facts.id == task->id && facts.state_ns == task->state_ns &&
                          task_is_leaked(&facts);
        count += task->is_leaked ? 1 : 0;
    }
    return count;
}

void goroutine_tasks_deinit(struct goroutine_tasks *tasks)
{
    free(tasks->items);
    *tasks = (struct goroutine_tasks){0};
}
