/* SPDX-License-Identifier: MIT
 *
 * task_rig.h - a task that asks for something, as a request does: cancelled, it gives up what it
 * waits for, and it ends when nobody holds it any more.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_TASK_RIG_H
#define TOQ_TEST_UNIT_SUPPORT_TASK_RIG_H

#include "core/task/task.h"

static struct {
    struct task *task;
    bool is_freed;
    int cancel_status;                   /* 0: it was not cancelled */
    void (*on_freed)(struct task *task); /* NULL: it owns nothing */
} task_rig;

static inline void task_rig_free(struct task *task)
{
    assert_ptr_equal(task, task_rig.task);
    task_rig.is_freed = true;
    if (task_rig.on_freed != NULL) {
        task_rig.on_freed(task);
    }
}

static inline void task_rig_end(struct task *task)
{
    assert_ptr_equal(task, task_rig.task);
    task->on_free = task_rig_free;
    task_end(task);
}

static inline void task_rig_cancel(struct task *task, int status)
{
    task_rig.cancel_status = status;
    task_hold(task);
    task_set_cancelled(task, task_rig_end);
    task_cancel_waits(task);
    task_release(task);
}

/* task_rig_start starts a task; on_freed: as the field. */
static inline void task_rig_start(struct task *task, void (*on_freed)(struct task *task))
{
    task_rig.task = task;
    task_rig.is_freed = false;
    task_rig.cancel_status = 0;
    task_rig.on_freed = on_freed;
    assert_int_equal(task_start(task, "test", 0, task_rig_cancel), 0);
    task->on_free = task_rig_free;
}

#endif
