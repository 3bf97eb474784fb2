/* SPDX-License-Identifier: MIT
 *
 * task.c - the lives of tasks, and the current one.
 */
#include "core/loop/task.h"

#include <stdatomic.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/loop/own_stack.h"

#define IDS_PER_BLOCK 1024

_Thread_local volatile uint32_t task_current_label = LABEL_NONE;

static size_t living_count;
static _Atomic uint64_t next_new_id = 2;
/* The ids that tasks draw from, a block at a time: so each costs no atomic operation. */
static uint64_t next_id;
static uint64_t ids_end;
static struct task *current;
static task_wait_fn on_wait;
static task_run_fn on_run;
static uint64_t told_ns; /* up to when the current task's running is told */
static bool is_keeping_stacks;

uint64_t task_new_id(void)
{
    return atomic_fetch_add_explicit(&next_new_id, 1, memory_order_relaxed);
}

static uint64_t draw_id(void)
{
    if (next_id == ids_end) {
        next_id = atomic_fetch_add_explicit(&next_new_id, IDS_PER_BLOCK, memory_order_relaxed);
        ids_end = next_id + IDS_PER_BLOCK;
    }
    return next_id++;
}

int task_start(struct task *task, const char *kind, uint64_t now_ns, task_cancel_fn on_cancel)
{
    const uint32_t slot = task_slots_take(task);
    task->slot = slot;
    task->id = 0;
    if (UNLIKELY(slot == TASK_NO_SLOT)) {
        return UV_ENOMEM;
    }
    task->id = draw_id();
    task->kind = kind;
    task->state = "running";
    task->handler = NULL;
    task->await_depth = 0;
    task->start_ns = now_ns;
    task->state_ns = now_ns;
    task->on_cancel = on_cancel;
    task->get_trace = NULL;
    task->on_free = NULL;
    task->label = LABEL_NONE;
    task->holds = 0;
    living_count++;
    task_slots_publish(slot, task);
    return 0;
}

void task_describe(struct task *task, const char *kind, uint32_t label, const void *handler)
{
    task->kind = kind;
    task->label = label;
    task->handler = handler;
    if (task == current) {
        task_current_label = label;
    }
    if (task->slot != TASK_NO_SLOT) {
        task_slots_publish_server(task->slot, task);
    }
}

/* tell_wait accounts for the wait that ends now, if there is one. */
static void tell_wait(const struct task *task, uint64_t now_ns)
{
    if (task->await_depth > 0 && on_wait != NULL) {
        on_wait(task, now_ns);
    }
}

/* tell_run accounts for what the current task ran since it was told of last. While it waits it only
 * seems to run: its callback has not returned yet. */
static void tell_run(uint64_t now_ns)
{
    if (current != NULL && current->await_depth == 0) {
        on_run(current, now_ns - told_ns);
    }
    told_ns = now_ns;
}

static void set_current(struct task *task)
{
    if (UNLIKELY(on_run != NULL)) {
        tell_run(clock_now_ns());
    }
    current = task;
    task_current_label = task == NULL ? LABEL_NONE : task->label;
}

/* --- the end, and who holds it ------------------------------------------------------------------- */

static void free_unheld(struct task *task)
{
    if (task->holds == 0 && task->slot == TASK_NO_SLOT && task->on_free != NULL) {
        task->on_free(task);
    }
}

void task_end(struct task *task)
{
    if (task->slot == TASK_NO_SLOT) {
        return;
    }
    if (task->await_depth > 0) {
        tell_wait(task, clock_now_ns());
        task->await_depth = 0;
    }
    task_slots_give(task->slot);
    task->slot = TASK_NO_SLOT;
    living_count--;
    free_unheld(task);
}

void task_release(struct task *task)
{
    if (task != NULL) {
        INVARIANT(task->holds > 0);
        task->holds--;
        free_unheld(task);
    }
}

struct task_ref task_make_ref(const struct task *task)
{
    const bool is_living = task->slot != TASK_NO_SLOT;
    return (struct task_ref){.id = is_living ? task->id : 0, .slot = task->slot};
}

struct task *task_from_ref(struct task_ref ref)
{
    struct task *task = ref.id == 0 ? NULL : task_slots_task(ref.slot);
    if (task == NULL || task->id != ref.id) {
        return NULL;
    }
    task_hold(task);
    return task;
}

struct task *task_enter(struct task *task)
{
    struct task *previous = current;
    task_hold(task);
    set_current(task);
    return previous;
}

void task_leave(struct task *previous)
{
    struct task *left = current;
    set_current(previous);
    task_release(left);
}

struct task *task_current(void)
{
    return current;
}

const struct trace_context *task_current_trace(void)
{
    return current == NULL || current->get_trace == NULL ? NULL : current->get_trace(current);
}

/* tell_change accounts for what a task did until it begins to wait, or to run. */
static void tell_change(const struct task *task, uint64_t now_ns)
{
    tell_wait(task, now_ns);
    if (on_run != NULL && task == current) {
        tell_run(now_ns);
    }
}

void task_park(struct task *task, const char *state)
{
    if (task->slot == TASK_NO_SLOT) {
        return; /* it has ended, and waits for nothing */
    }
    const uint64_t now_ns = clock_now_ns();
    tell_change(task, now_ns);
    task->state = state;
    task->state_ns = now_ns;
    if (task->await_depth == 0) { /* else it goes on to wait, on behalf of the same caller */
        task->await_stack[0] = __builtin_return_address(0);
        task->await_depth = 1;
        if (is_keeping_stacks) {
            task->await_depth = (uint8_t)own_stack_follow(__builtin_frame_address(0),
                                                          task->await_stack, TASK_AWAIT_FRAMES_MAX);
        }
    }
    task_slots_publish_state(task->slot, task);
}

void task_set_state(struct task *task, const char *state)
{
    task->state = state;
    if (task->slot != TASK_NO_SLOT) {
        task_slots_publish_state(task->slot, task);
    }
}

void task_unpark(struct task *task)
{
    if (task->await_depth == 0) {
        return; /* it runs, whatever it waited for has said so already */
    }
    const uint64_t now_ns = clock_now_ns();
    tell_change(task, now_ns);
    task->state = "running";
    task->state_ns = now_ns;
    task->await_depth = 0;
    task_slots_publish_state(task->slot, task);
}

void task_keep_await_stacks(bool is_on)
{
    is_keeping_stacks = is_on;
}

void task_on_wait(task_wait_fn fn)
{
    on_wait = fn;
}

void task_on_run(task_run_fn fn)
{
    on_run = fn;
    told_ns = clock_now_ns();
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
    const uint64_t next = draw_id(); /* what a cancel starts is not cancelled */
    size_t count = 0;
    for (uint32_t i = 0; i < task_slots_count(); i++) {
        struct task *task = task_slots_task(i);
        if (task != NULL && task->id < next) {
            task_cancel(task, status);
            count++;
        }
    }
    return count;
}

size_t task_count(void)
{
    return living_count;
}

void task_for_each(void (*fn)(struct task *task, void *arg), void *arg)
{
    for (uint32_t i = 0; i < task_slots_count(); i++) {
        struct task *task = task_slots_task(i);
        if (task != NULL) {
            fn(task, arg);
        }
    }
}
