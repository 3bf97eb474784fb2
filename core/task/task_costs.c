/* SPDX-License-Identifier: MIT
 *
 * task_costs.c - the CPU time of a task, and the time that it waited behind other tasks.
 */
#include "core/task/task.h"
#include "core/task/usage.h"

uint64_t task_cpu_ns(const struct task *task)
{
    return usage_read_cell(&task->cpu_ticks);
}

struct usage_ended *task_end_cpu(const struct task *task)
{
    return usage_end(task->id, &task->cpu_ticks);
}

void task_add_cpu(struct task *task, uint64_t ns)
{
    usage_add_ns(&task->cpu_ticks, ns);
}

struct task_costs task_get_costs(const struct task *task)
{
    return (struct task_costs){
        .cpu_ns = task_cpu_ns(task),
        .behind_ns = task->behind.ns,
        .behind_upper_ns = task->behind.upper_ns,
        .behind_label = task->behind.label,
    };
}
