/* SPDX-License-Identifier: MIT
 *
 * task_waits.c - what a task waits for: what will wake it, and what is given up when it is
 * cancelled.
 */
#include "core/task/task.h"

/* --- what wakes it --- */

static void show_wakers(const struct task *task)
{
    if (task->slot != TASK_NO_SLOT) {
        task_slots_publish_wakers(task->slot, &task->wakers);
    }
}

void task_await(struct task *task, struct task_waker waker)
{
    if (task != NULL) {
        task->wakers.count++;
        task->wakers.last = waker;
        show_wakers(task);
    }
}

void task_awaited(struct task *task, struct task_waker waker)
{
    if (task == NULL) {
        return;
    }
    struct task_wakers *wakers = &task->wakers;
    INVARIANT(wakers->count > 0);
    wakers->count--;
    if (wakers->count == 0 || (wakers->last.kind == waker.kind && wakers->last.id == waker.id)) {
        wakers->last = (struct task_waker){0};
    }
    show_wakers(task);
}

bool task_is_leaked(const struct task_facts *facts)
{
    return facts->await_depth > 0 && facts->wakers.count == 0 && !facts->is_running;
}

/* --- what is given up --- */

void task_add_wait(struct task *task, struct task_wait *wait,
                   void (*cancel)(struct task_wait *wait))
{
    wait->cancel = cancel;
    wait->next = task->waits;
    wait->at = &task->waits;
    if (wait->next != NULL) {
        wait->next->at = &wait->next;
    }
    task->waits = wait;
}

void task_remove_wait(struct task_wait *wait)
{
    if (wait->at == NULL) {
        return;
    }
    *wait->at = wait->next;
    if (wait->next != NULL) {
        wait->next->at = wait->at;
    }
    wait->at = NULL;
}

void task_cancel_waits(struct task *task)
{
    while (task->waits != NULL) {
        struct task_wait *wait = task->waits;
        task_remove_wait(wait);
        wait->cancel(wait);
    }
}
