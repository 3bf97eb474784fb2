/* SPDX-License-Identifier: MIT
 *
 * task.h - what is in flight: every request from its first byte to the end of its answer, with its
 * state.
 *
 * The registry of living tasks is what a drain waits for, what a deadline cancels, and what a
 * profile of waiting work prints. The current task is the one whose callback runs now; CPU samples
 * take their labels from it, so whoever resumes a task brackets the callback with task_enter and
 * task_leave.
 *
 * Flow:    task_start -> task_enter/task_leave round each callback, task_park before waiting ->
 * task_end Memory:  a task is embedded in its owner, which outlives it in the registry. Thread: the
 * loop. task_current_label is also read by the sampling signal on the loop's thread.
 */
#ifndef TOQ_CORE_LOOP_TASK_H
#define TOQ_CORE_LOOP_TASK_H

#include "core/base/list.h"
#include "core/loop/label.h"

struct task;

/* A task_cancel_fn gives up what the task waits for and ends it, now or soon; it runs at most once.
 * status: UV_ECANCELED (the peer left, or a drain ran out of time) or UV_ETIMEDOUT (its deadline).
 */
typedef void (*task_cancel_fn)(struct task *task, int status);

struct task {
    struct list link;       /* in the registry */
    uint64_t id;            /* 1, 2, 3 ... */
    const char *kind;       /* "http" */
    const char *state;      /* "running", "write", "sleep" ... : a literal */
    const void *await_site; /* code address that parked it; NULL while it runs */
    uint64_t start_ns;      /* clock_now_ns */
    uint64_t state_ns;      /* since when it is in this state */
    task_cancel_fn on_cancel;
    uint32_t label;
};

/* The label of the current task, LABEL_NONE between tasks. Volatile: a signal handler reads it. */
extern volatile uint32_t task_current_label;

/* task_start enters a task into the registry, running.
 *
 * now_ns: the time of its first byte. on_cancel: see task_cancel_fn.
 */
void task_start(struct task *task, const char *kind, uint64_t now_ns, task_cancel_fn on_cancel);

/* task_end takes a task out of the registry; harmless when it is not in. */
void task_end(struct task *task);

/* task_enter makes `task` the current one.
 *
 * Returns: the task that was current, or NULL; give it to task_leave.
 */
MUST_USE struct task *task_enter(struct task *task);

/* task_leave restores what task_enter returned. */
void task_leave(struct task *previous);

/* task_swap_label sets the label alone, for work that is done on behalf of a task that may have ended.
 *
 * Returns: the label before, to be set again afterwards.
 */
static inline uint32_t task_swap_label(uint32_t label)
{
    const uint32_t previous = task_current_label;
    task_current_label = label;
    return previous;
}

/* task_current is the task whose callback runs now, or NULL. */
struct task *task_current(void);

/* task_park says what a task waits for from now on; the address of the caller is kept as its await
 * site.
 *
 * state: a literal.
 */
void task_park(struct task *task, const char *state);

/* task_unpark says that a task runs again. */
void task_unpark(struct task *task);

/* task_cancel runs the task's on_cancel, once; later calls do nothing. */
void task_cancel(struct task *task, int status);

/* task_cancel_all cancels every living task.
 *
 * Returns: how many.
 */
size_t task_cancel_all(int status);

/* task_count is the number of living tasks. */
size_t task_count(void);

/* task_for_each calls `fn` for every living task, oldest first; fn may end the task it is given. */
void task_for_each(void (*fn)(struct task *task, void *arg), void *arg);

#endif
