/* SPDX-License-Identifier: MIT
 *
 * task.c - the registry of living tasks, oldest first, and the current one.
 */
#include "core/loop/task.h"

#include <stdatomic.h>

#include "core/base/clock.h"

#define FRAME_BYTES_MAX 65536 /* a frame pointer that is further away is none */
#define IDS_PER_BLOCK   1024
#define OUTER_MAX       16 /* a callback from a callback ...; what is further out is forgotten */

_Thread_local volatile uint32_t task_current_label = LABEL_NONE;

/* Where this program's own code lies; the linker's. Only its frames are known to have a pointer. */
extern const char __executable_start[];
extern const char etext[];

static struct list tasks = {&tasks, &tasks};
static size_t living_count;
static _Atomic uint64_t next_new_id = 2;
/* The ids that tasks draw from, a block at a time: so each costs no atomic operation. */
static uint64_t next_id;
static uint64_t ids_end;
static struct task *current;
/* Those that were current before it, outermost first; one that has ended meanwhile is NULL. */
static struct task *outer[OUTER_MAX];
static size_t outer_count;
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

void task_start(struct task *task, const char *kind, uint64_t now_ns, task_cancel_fn on_cancel)
{
    *task = (struct task){
        .id = draw_id(),
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

/* forget_current: whoever ends a task may free it, from within callbacks that it was current in. */
static void forget_current(const struct task *task)
{
    const size_t count = outer_count < OUTER_MAX ? outer_count : OUTER_MAX;
    for (size_t i = 0; i < count; i++) {
        outer[i] = outer[i] == task ? NULL : outer[i];
    }
    if (current == task) {
        set_current(NULL);
    }
}

void task_end(struct task *task)
{
    if (list_is_empty(&task->link)) {
        return;
    }
    if (task->await_depth > 0) {
        tell_wait(task, clock_now_ns());
    }
    list_unlink(&task->link);
    living_count--;
    forget_current(task);
}

struct task *task_enter(struct task *task)
{
    struct task *previous = current;
    if (outer_count < OUTER_MAX) {
        outer[outer_count] = previous;
    }
    outer_count++;
    set_current(task);
    return previous;
}

void task_leave(struct task *previous)
{
    INVARIANT(outer_count > 0);
    outer_count--;
    const bool is_alive = outer_count < OUTER_MAX && outer[outer_count] == previous;
    set_current(is_alive ? previous : NULL);
}

struct task *task_current(void)
{
    return current;
}

const struct trace_context *task_current_trace(void)
{
    return current == NULL || current->get_trace == NULL ? NULL : current->get_trace(current);
}

static bool is_own_code(const void *address)
{
    const char *code = address;
    return code >= __executable_start && code < etext;
}

/* keep_stack follows the frame pointers up to the first caller that is not of this program: it may
 * have none. */
__attribute__((no_sanitize("address", "thread", "undefined"))) static void
keep_stack(struct task *task, const void *const *frame)
{
    size_t depth = 1;
    while (depth < TASK_AWAIT_FRAMES_MAX && is_own_code(task->await_stack[depth - 1])) {
        const void *const *caller = frame[0];
        const uintptr_t distance = (uintptr_t)caller - (uintptr_t)frame;
        if (caller <= frame || distance > FRAME_BYTES_MAX || distance % sizeof(*frame) != 0) {
            break;
        }
        frame = caller;
        task->await_stack[depth] = frame[1];
        depth++;
    }
    task->await_depth = (uint8_t)depth;
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
    const uint64_t now_ns = clock_now_ns();
    tell_change(task, now_ns);
    task->state = state;
    task->state_ns = now_ns;
    if (task->await_depth > 0) {
        return; /* it goes on to wait, for something else, on behalf of the same caller */
    }
    task->await_stack[0] = __builtin_return_address(0);
    task->await_depth = 1;
    if (is_keeping_stacks) {
        keep_stack(task, __builtin_frame_address(0));
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
