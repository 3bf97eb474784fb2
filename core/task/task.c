/* SPDX-License-Identifier: MIT
 *
 * task.c - the life cycle of tasks, and the current task.
 */
#include "core/task/task.h"

#include <stdatomic.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/task/arrival.h"
#include "core/task/own_stack.h"
#include "core/task/usage.h"

#define IDS_PER_BLOCK 1024

const char task_state_receiving[] = "receive";
const char task_state_running[] = "running";
const char task_state_waiting[] = "waiting";
const char task_state_loop[] = "[loop]";

const char task_note_hit[] = "cache hit";
const char task_note_miss[] = "cache miss";
const char task_note_batch[] = "batch";
const char task_note_error[] = "error";
const char task_note_status[] = "status";

/* A wait for the loop that is shorter is not worth a place in the trail. */
#define LOOP_WAIT_MIN_NS (20 * NS_PER_US)

static _Atomic uint64_t next_new_id = 2;
static _Atomic(task_wait_fn) on_wait;
static _Atomic(task_run_fn) on_run;
static _Atomic uint64_t run_since_ns; /* since when it is told how long tasks run */
static atomic_bool is_keeping_stacks;

uint64_t task_new_id(void)
{
    return atomic_fetch_add_explicit(&next_new_id, 1, memory_order_relaxed);
}

static uint64_t draw_id(void)
{
    if (task_self.next_id == task_self.end_id) {
        task_self.next_id =
            atomic_fetch_add_explicit(&next_new_id, IDS_PER_BLOCK, memory_order_relaxed);
        task_self.end_id = task_self.next_id + IDS_PER_BLOCK;
    }
    return task_self.next_id++;
}

int task_start(struct task *task, const char *kind, uint64_t now_ns, task_cancel_fn on_cancel)
{
    const uint32_t slot = task_slots_take(task);
    task->slot = slot;
    if (UNLIKELY(slot == TASK_NO_SLOT)) {
        task->id = 0;
        return UV_ENOMEM;
    }
    task->id = draw_id();
    task->kind = kind;
    task->state = task_state_receiving;
    task->handler = NULL;
    task->await_depth = 0;
    task->is_cancelled = false;
    task->record = (struct task_record){0};
    task->start_ns = now_ns;
    task->state_ns = now_ns;
    task->on_cancel = on_cancel;
    task->get_trace = NULL;
    task->format_peer = NULL;
    task->on_free = NULL;
    task->waits = NULL;
    task->wakers = (struct task_wakers){0};
    task->cpu_ticks = 0;
    task->behind = (struct task_behind){0};
    task->label = LABEL_NONE;
    task->holds = 0;
    task_self.living_count++;
    task_slots_publish(slot, task);
    return 0;
}

void task_describe(struct task *task, const char *kind, uint32_t label, const void *handler)
{
    task->kind = kind;
    task->label = label;
    task->handler = handler;
    if (task == task_self.current) {
        (void)usage_switch(label, &task->cpu_ticks);
        task_self.label = label;
    }
    if (task->slot != TASK_NO_SLOT) {
        task_slots_publish_server(task->slot, task);
    }
}

/* tell_wait accounts for the wait that ends now, if there is one. */
static void tell_wait(const struct task *task, uint64_t now_ns)
{
    const task_wait_fn tell = atomic_load_explicit(&on_wait, memory_order_relaxed);
    if (task->await_depth > 0 && tell != NULL) {
        tell(task, now_ns);
    }
}

/* tell_run accounts for what the current task ran since it was told of last. While it waits it only
 * seems to run: its callback has not returned yet. */
static void tell_run(task_run_fn tell, uint64_t now_ns)
{
    const uint64_t since_ns = atomic_load_explicit(&run_since_ns, memory_order_relaxed);
    const uint64_t from_ns = task_self.told_ns > since_ns ? task_self.told_ns : since_ns;
    if (task_self.current != NULL && task_self.current->await_depth == 0 && now_ns > from_ns) {
        tell(task_self.current, now_ns - from_ns);
    }
    task_self.told_ns = now_ns;
}

static __attribute__((noinline, cold)) void tell_run_until_now(void)
{
    const task_run_fn tell = atomic_load_explicit(&on_run, memory_order_acquire);
    if (tell != NULL) {
        tell_run(tell, clock_now_ns());
    }
}

static inline bool is_run_told(void)
{
    return UNLIKELY(atomic_load_explicit(&on_run, memory_order_relaxed) != NULL);
}

/* Inline, as is release: each callback of a task passes here twice.
 *
 * Returns: as usage_switch. */
static inline __attribute__((always_inline)) uint64_t set_current(struct task *task)
{
    if (is_run_told()) {
        tell_run_until_now();
    }
    const uint64_t ticks = usage_switch(task == NULL ? LABEL_NONE : task->label,
                                        task == NULL ? NULL : &task->cpu_ticks);
    task_self.current = task;
    if (task_self.shown != NULL) {
        atomic_store_explicit(&task_self.shown->slot, task == NULL ? TASK_NO_SLOT : task->slot,
                              memory_order_relaxed);
    }
    task_self.label = task == NULL ? LABEL_NONE : task->label;
    return ticks;
}

uint32_t task_swap_label(uint32_t label)
{
    const uint32_t previous = task_self.label;
    struct task *task = task_self.current;
    task_self.label = label;
    (void)usage_switch(label, task != NULL && task->label == label ? &task->cpu_ticks : NULL);
    return previous;
}

uint32_t task_write_for(uint32_t label, uint64_t task_id)
{
    const uint32_t previous = task_self.label;
    task_self.label = label;
    usage_switch_to_ended(label, task_id);
    return previous;
}

uint64_t task_current_id(void)
{
    return task_self.current == NULL ? 0 : task_self.current->id;
}

/* --- the end, and who holds it --- */

static void free_unheld(struct task *task)
{
    if (task->holds == 0 && (task->slot == TASK_NO_SLOT || task->is_cancelled) &&
        task->on_free != NULL) {
        task->on_free(task);
    }
}

static inline __attribute__((always_inline)) void release(struct task *task)
{
    if (task != NULL) {
        INVARIANT(task->holds > 0);
        task->holds--;
        free_unheld(task);
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
    if (is_run_told() && task == task_self.current) {
        tell_run_until_now(); /* while its slot tells which trace it is */
    }
    if (task != task_self.current) { /* else task_leave records it */
        task_record_end(&task->record, task->id, task->label);
    }
    task_slots_give(task->slot);
    task->slot = TASK_NO_SLOT;
    task_self.living_count--;
    free_unheld(task);
}

void task_release(struct task *task)
{
    release(task);
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

/* count_delay counts what a task, which is about to run, has waited for the loop behind others, and
 * shows it. */
static __attribute__((noinline, cold)) void count_delay(struct task *task)
{
    const bool is_new = task->state == task_state_receiving;
    delay_suffer(&(struct delay_victim){.task_id = task->id,
                                        .since_ns = is_new ? task->start_ns : task->state_ns,
                                        .label = task->label,
                                        .is_new = is_new},
                 &task->behind);
    if (task->behind.longest_ns > 0 && task->slot != TASK_NO_SLOT) {
        const struct task_costs costs = task_get_costs(task);
        task_slots_publish_costs(task->slot, &costs);
    }
}

/* --- the trail --- */

static void add_change(const struct task *task, uint64_t when_ns, const char *state,
                       const char *what)
{
    task_slots_add_change(task->slot,
                          &(struct task_change){.when_ns = when_ns, .state = state, .what = what});
}

/* add_resume adds that a task which has waited since since_ns runs: what it waited for was there
 * when the loop's poll was woken, and since then it has waited for the loop. */
static void add_resume(const struct task *task, uint64_t since_ns, uint64_t now_ns)
{
    const uint64_t arrived_ns = arrival_ns();
    const uint64_t ended_ns = arrived_ns > since_ns ? arrived_ns : since_ns;
    if (ended_ns < now_ns && now_ns - ended_ns >= LOOP_WAIT_MIN_NS) {
        add_change(task, ended_ns, task_state_loop, NULL);
    }
    add_change(task, now_ns, task_state_running, NULL);
}

struct task *task_begin(struct task *task, const char *kind, uint32_t label, const void *handler)
{
    struct task *previous = task_self.current;
    task->kind = kind;
    task->label = label;
    task->handler = handler;
    if (UNLIKELY(task->start_ns < task_self.delay_until_ns)) {
        count_delay(task);
    }
    task_slots_publish_server(task->slot, task);
    if (UNLIKELY(task->start_ns < arrival_poll_began_ns())) {
        /* what came while the loop was held has waited for the loop, not for its peer */
        add_change(task, task->start_ns,
                   task->behind.ns > 0 ? task_state_loop : task_state_receiving, NULL);
        add_resume(task, task->start_ns, clock_now_ns());
    }
    task->holds++;
    task->state = task_state_running;
    task_record_enter(&task->record, task->id, label, set_current(task));
    return previous;
}

/* record_enter and record_leave: of a task, or of none. ticks: set_current's. */
static inline void record_enter(struct task *task, uint64_t ticks)
{
    struct task_record none = {0};
    if (task == NULL) {
        task_record_enter(&none, 0, LABEL_NONE, ticks);
    } else {
        task_record_enter(&task->record, task->id, task->label, ticks);
    }
}

static inline void record_leave(struct task *task, uint64_t ticks)
{
    struct task_record none = {0};
    if (task == NULL) {
        task_record_leave(&none, 0, LABEL_NONE, false, ticks);
    } else {
        task_record_leave(&task->record, task->id, task->label, task->slot == TASK_NO_SLOT, ticks);
    }
}

struct task *task_enter(struct task *task)
{
    struct task *previous = task_self.current;
    if (task != NULL) {
        task->holds++;
    }
    if (task != NULL && task == previous) {
        return previous; /* it runs already */
    }
    record_enter(task, set_current(task));
    if (task != NULL && UNLIKELY(task->start_ns < task_self.delay_until_ns)) {
        count_delay(task);
    }
    if (task != NULL && task->await_depth == 0) {
        if (UNLIKELY(task->state == task_state_waiting && task->slot != TASK_NO_SLOT &&
                     task_slots_change_count(task->slot) < TASK_CHANGES_MAX)) {
            add_resume(task, task->state_ns, clock_now_ns());
        }
        task->state = task_state_running; /* readers of its slot see who is current */
    } else if (task != NULL && task->state == task_state_waiting) {
        task_unpark(task);
    }
    return previous;
}

/* stop_running shows that a task waits from now on, and what it has used. */
static __attribute__((noinline)) void stop_running(struct task *task)
{
    if (task->await_depth == 0) {
        task->state = task_state_waiting;
        task->state_ns = clock_now_ns();
        task->await_stack[0] = (const char *)task->handler + 1; /* as one that returns into it */
        task->await_depth = task->handler != NULL;
        task_slots_publish_state(task->slot, task);
        add_change(task, task->state_ns, task_state_waiting, NULL);
        if (task->await_depth > 0) {
            task_record_park(task->id, task->state, NULL);
        }
    }
    task_slots_publish_cpu(task->slot, task_cpu_ns(task));
}

void task_leave(struct task *previous)
{
    struct task *left = task_self.current;
    if (left != previous || left == NULL) { /* else it runs on, as before task_enter */
        record_leave(left, set_current(previous));
        if (left != NULL && left->slot != TASK_NO_SLOT) {
            stop_running(left);
        }
    }
    release(left);
}

struct task *task_current(void)
{
    return task_self.current;
}

struct task_ref task_current_ref(void)
{
    return task_self.current == NULL ? task_self.job : task_make_ref(task_self.current);
}

void task_current_ids(struct trace_ids *ret_ids)
{
    const struct task *task = task_self.current;
    if (task == NULL) {
        task_slots_copy_ids(task_self.job.slot, task_self.job.id, ret_ids);
    } else if (task->label == task_self.label) {
        task_slots_copy_ids(task->slot, task->id, ret_ids);
    } else { /* it writes for another one meanwhile */
        *ret_ids = (struct trace_ids){0};
    }
}

void task_work_for(struct task_ref ref)
{
    task_self.job = ref;
}

struct task_facts task_get_facts(const struct task *task)
{
    struct task_facts facts = {
        .id = task->id,
        .kind = task->kind,
        .state = task->state,
        .handler = task->handler,
        .start_ns = task->start_ns,
        .state_ns = task->state_ns,
        .label = task->label,
        .await_depth = task->await_depth,
        .is_running = task == task_self.current,
        .wakers = task->wakers,
    };
    memcpy(facts.await_stack, task->await_stack, task->await_depth * sizeof(task->await_stack[0]));
    return facts;
}

bool task_copy_running(const struct task_thread *thread, struct task_facts *ret_facts)
{
    const uint32_t slot = atomic_load_explicit(&thread->slot, memory_order_relaxed);
    return slot != TASK_NO_SLOT && task_slots_copy(slot, ret_facts);
}

const struct trace_context *task_current_trace(void)
{
    struct task *task = task_self.current;
    return task == NULL || task->get_trace == NULL ? NULL : task->get_trace(task);
}

bool task_current_context(struct log_context *ret_context)
{
    const struct trace_context *trace = task_current_trace();
    const struct task *task = task_self.current;
    if (trace == NULL) {
        return false;
    }
    const struct label label = label_get(task->label);
    *ret_context = (struct log_context){
        .trace = trace,
        .route = label.route,
        .rpc = label.rpc,
        .task = task->id,
        .format_peer = task->format_peer,
        .owner = task,
    };
    return true;
}

/* tell_change accounts for what a task did until it begins to wait, or to run. */
static void tell_change(const struct task *task, uint64_t now_ns)
{
    const task_run_fn tell = atomic_load_explicit(&on_run, memory_order_acquire);
    tell_wait(task, now_ns);
    if (tell != NULL && task == task_self.current) {
        tell_run(tell, now_ns);
    }
}

/* park is told where its caller was called from, as it stands on the stack. */
static inline __attribute__((always_inline)) void park(struct task *task, const char *state,
                                                       const char *what, uint64_t now_ns)
{
    if (task->slot == TASK_NO_SLOT) {
        return; /* it has ended, and waits for nothing */
    }
    tell_change(task, now_ns);
    task->state = state;
    task->state_ns = now_ns;
    if (task->await_depth == 0) { /* else it goes on to wait, on behalf of the same caller */
        task->await_stack[0] = __builtin_return_address(0);
        task->await_depth = 1;
        if (atomic_load_explicit(&is_keeping_stacks, memory_order_relaxed)) {
            task->await_depth = (uint8_t)own_stack_follow(__builtin_frame_address(0),
                                                          task->await_stack, TASK_AWAIT_FRAMES_MAX);
        }
    }
    task_slots_publish_state(task->slot, task);
    add_change(task, now_ns, state, what);
    task_record_park(task->id, task->state, what);
}

void task_park(struct task *task, const char *state)
{
    park(task, state, NULL, clock_now_ns());
}

void task_park_for(struct task *task, const char *state, const char *what, uint64_t now_ns)
{
    park(task, state, what, now_ns);
}

void task_unpark(struct task *task)
{
    if (task->await_depth > 0) {
        task_unpark_at(task, clock_now_ns());
    }
}

void task_unpark_at(struct task *task, uint64_t now_ns)
{
    if (task->await_depth == 0) {
        return; /* it runs, whatever it waited for has said so already */
    }
    tell_change(task, now_ns);
    add_resume(task, task->state_ns, now_ns);
    task->state = task_state_running;
    task->state_ns = now_ns;
    task->await_depth = 0;
    task_slots_publish_state(task->slot, task);
    recorder_add(RECORDER_RESUME, task->id, 0);
}

void task_keep_await_stacks(bool is_on)
{
    atomic_store_explicit(&is_keeping_stacks, is_on, memory_order_relaxed);
}

void task_on_wait(task_wait_fn fn)
{
    atomic_store_explicit(&on_wait, fn, memory_order_relaxed);
}

void task_on_run(task_run_fn fn)
{
    atomic_store_explicit(&run_since_ns, clock_now_ns(), memory_order_relaxed);
    atomic_store_explicit(&on_run, fn, memory_order_release);
}

/* --- cancelling --- */

void task_set_cancelled(struct task *task, task_free_fn on_unheld)
{
    task->is_cancelled = true;
    task->on_free = on_unheld;
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
    return task_self.living_count;
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
