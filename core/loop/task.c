/* SPDX-License-Identifier: MIT
 *
 * task.c - the registry of living tasks, oldest first, and the current one.
 */
#include "core/loop/task.h"

#include "core/base/clock.h"

volatile uint32_t task_current_label = LABEL_NONE;

static struct list tasks = {&tasks, &tasks};
static size_t living_count;
static uint64_t last_id;
static struct task *current;

void task_start(struct task *task, const char *kind, uint64_t now_ns, task_cancel_fn on_cancel)
{
    *task = (struct task){
        .id = ++last_id,
        .kind = kind,
        .state = "running",
        .start_ns = now_ns,
        .state_ns = now_ns,
        .on_cancel = on_cancel,
        .label = LABEL_NONE,
    };
    list_push_back(&tasks, &task->link);
    living_count++;
}

void task_end(struct task *task)
{
    if (list_is_empty(&task->link)) {
        return;
    }
    list_unlink(&task->link);
    living_count--;
    if (current == task) {
        task_leave(NULL);
    }
}

static void set_current(struct task *task)
{
    current = task;
    task_current_label = task == NULL ? LABEL_NONE : task->label;
}

struct task *task_enter(struct task *task)
{
    struct task *previous = current;
    set_current(task);
    return previous;
}

void task_leave(struct task *previous)
{
    set_current(previous);
}

struct task *task_current(void)
{
    return current;
}

void task_park(struct task *task, const char *state)
{
    task->state = state;
    task->await_site = __builtin_return_address(0);
    task->state_ns = clock_now_ns();
}

void task_unpark(struct task *task)
{
    task->state = "running";
    task->await_site = NULL;
    task->state_ns = clock_now_ns();
}

void task_cancel(struct task *task, int status)
{
    const task_cancel_fn on_cancel = task->on_cancel;
    task->on_cancel = NULL;
    if (on_cancel != NULL) {
        on_cancel(task, status);
    }
}

size_t task_cancel_all(int status)
{
    /* over a list of its own: a cancel may end any task, and what it starts is not cancelled */
    struct list doomed = {&doomed, &doomed};
    list_splice(&doomed, &tasks);
    size_t count = 0;
    while (!list_is_empty(&doomed)) {
        struct task *task = CONTAINER_OF(doomed.next, struct task, link);
        list_unlink(&task->link);
        list_push_back(&tasks, &task->link);
        task_cancel(task, status);
        count++;
    }
    return count;
}

size_t task_count(void)
{
    return living_count;
}

void task_for_each(void (*fn)(struct task *task, void *arg), void *arg)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &tasks)
    {
        fn(CONTAINER_OF(pos, struct task, link), arg);
    }
}
