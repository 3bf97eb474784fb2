/* SPDX-License-Identifier: MIT
 *
 * task.h - tasks: every request in flight, from its first byte to its end, with its state; and the
 * one mechanism that says whether it may still be touched.
 *
 * The current task is the one whose callback runs now; CPU samples take their labels from it, so
 * the code that resumes a task brackets the callback with task_enter and task_leave. Both hold it:
 * a task's memory goes back when the task has ended and nobody holds it, never from inside one of
 * its own callbacks. Code that outlives a callback holds the task (task_hold), or keeps a
 * reference, {slot, id}, which is stale once the task has ended.
 *
 * Flow:    task_start -> task_enter/task_leave round each callback, task_park before waiting ->
 *          task_end -> the last task_release -> on_free
 * Memory:  a task is embedded in its owner, which frees it in on_free and not before.
 * Thread:  a task belongs to the loop, and so to the thread, that it was started on: what is said
 *          of all tasks, and of the current one, is said of the calling thread's.
 *          task_current_label and task_swap_label are for every thread; task_slots.h's copies and
 *          task_copy_running are for any.
 */
#ifndef TOQ_CORE_TASK_TASK_H
#define TOQ_CORE_TASK_TASK_H

#include "core/base/list.h"
#include "core/task/delay.h"
#include "core/task/label.h"
#include "core/task/task_slots.h"
#include "core/telemetry/log.h"

struct task;
struct usage_ended;

/* A task_cancel_fn gives up what the task waits for and ends it, now or soon; it runs at most once.
 * status: UV_ECANCELED (the peer left, or a drain ran out of time) or UV_ETIMEDOUT (its deadline).
 */
typedef void (*task_cancel_fn)(struct task *task, int status);

/* A task_trace_fn tells which trace a task belongs to; it begins its span when nobody has asked
 * before. */
typedef const struct trace_context *(*task_trace_fn)(struct task *task);

/* A task_peer_fn writes whose request a task is, in LOG_PEER_BYTES. */
typedef void (*task_peer_fn)(const void *task, char *out);

/* A task_free_fn gives the memory of a task back, which has ended and which nobody holds. */
typedef void (*task_free_fn)(struct task *task);

/* Something that a task waits for and that is given up when the task is cancelled: an ask of MySQL
 * or Redis, work on a thread. Embedded in what is waited for, whose hold of the task it is not. */
struct task_wait {
    struct task_wait *next;
    struct task_wait **at; /* what points at it; NULL: it is in no list */
    /* gives it up; it is in the list no more. Its callback gets UV_ECANCELED, now or soon. */
    void (*cancel)(struct task_wait *wait);
};

struct task {
    uint64_t id;         /* grows; see task_new_id */
    const char *kind;    /* "http" */
    const char *state;   /* "write", "sleep" ..., or one of those below: a literal */
    const void *handler; /* code of the function that serves it; NULL: unknown */
    /* The return addresses of the calls that parked it, the innermost first; none while it runs,
     * and one alone unless task_keep_await_stacks asked for more. */
    const void *await_stack[TASK_AWAIT_FRAMES_MAX];
    uint8_t await_depth;
    bool is_cancelled; /* task_set_cancelled */
    uint64_t start_ns; /* clock_now_ns */
    uint64_t state_ns; /* since when it is in this state */
    task_cancel_fn on_cancel;
    task_trace_fn get_trace;  /* its owner's, set behind task_start; NULL: it belongs to none */
    task_peer_fn format_peer; /* as get_trace; NULL: it is nobody's */
    task_free_fn on_free;     /* as get_trace; NULL: it has no memory to give back */
    struct task_wait *waits;  /* that are given up when it is cancelled */
    struct task_wakers wakers;
    uint64_t cpu_ticks; /* usage.h's; see task_cpu_ns */
    struct task_behind behind;
    uint32_t label;
    uint32_t slot;  /* TASK_NO_SLOT: it has ended */
    uint32_t holds; /* callbacks of it that run, and what is pending for it */
};

#define TASK_NO_SLOT UINT32_MAX

/* A reference to a task that may have ended. All zero: to none. */
struct task_ref {
    uint64_t id;
    uint32_t slot;
};

/* The states of a task that is not parked. */
extern const char task_state_receiving[]; /* until its first callback */
extern const char task_state_running[];
extern const char task_state_waiting[]; /* between two callbacks, for what its handler knows: its
                                           stack is the handler */

/* Notes in a task's trail, with what their number is. */
extern const char task_note_hit[];    /* the cache had it: of how many things */
extern const char task_note_miss[];   /* the cache did not: of how many */
extern const char task_note_batch[];  /* it joined a read for several: its id << 16 | of how many */
extern const char task_note_error[];  /* what it waited for failed: the other server's code */
extern const char task_note_status[]; /* of the answer that it waited for: HTTP's */

/* task_note_batch's number where the read was for the same thing. */
#define TASK_BATCH_SHARED (1u << 16)

/* The state between the moment when what a task waited for was there and its callback: it waits for
 * the loop, which works for others. */
extern const char task_state_loop[];

/* A task_wait_fn is told that a task has waited in task->state, at its await stack, since
 * task->state_ns; now_ns is clock_now_ns. It does not touch the task. */
typedef void (*task_wait_fn)(const struct task *task, uint64_t now_ns);

/* A task_run_fn is told that the current task, running, has done so for ran_ns since it was told of
 * last. It does not touch the task. */
typedef void (*task_run_fn)(const struct task *task, uint64_t ran_ns);

/* What the calling thread works for: on the loop's thread the label of the current task, LABEL_NONE
 * between tasks; on a worker thread that of the task whose job it runs. Volatile: signal handlers
 * and allocation hooks read it. */
extern _Thread_local volatile uint32_t task_current_label;

/* task_start enters a task into the registry.
 *
 * now_ns: the time of its first byte. on_cancel: see task_cancel_fn.
 * Returns: 0; UV_ENOMEM: it is not in flight.
 */
MUST_USE int task_start(struct task *task, const char *kind, uint64_t now_ns,
                        task_cancel_fn on_cancel);

/* task_describe says whom a task serves, from now on.
 *
 * kind: a literal. handler: the code of the function that serves it.
 */
void task_describe(struct task *task, const char *kind, uint32_t label, const void *handler);

/* task_end takes a task out of the registry: references to it are stale. Its memory goes when
 * nobody holds it, so perhaps now. Harmless when it has ended and is held. */
void task_end(struct task *task);

/* task_hold keeps a task's memory until task_release, also when it has ended. NULL: does
 * nothing. */
static inline void task_hold(struct task *task)
{
    if (task != NULL) {
        task->holds++;
    }
}

/* task_release takes a hold back; the task may be gone afterwards. NULL: does nothing. */
void task_release(struct task *task);

/* task_make_ref makes a reference, which may be kept for ever. */
struct task_ref task_make_ref(const struct task *task);

/* task_from_ref finds the task of a reference, and holds it.
 *
 * Returns: the task, to be released; NULL when it has ended.
 */
MUST_USE struct task *task_from_ref(struct task_ref ref);

/* task_enter makes `task` the current one, and holds it; NULL: none is current. One that was
 * waiting, though not parked, runs again.
 *
 * Returns: the task that was current, or NULL; give it to task_leave.
 */
MUST_USE struct task *task_enter(struct task *task);

/* task_begin is task_describe and task_enter for the first callback of a task, which is whole, and
 * was not entered before: what took more than one turn to arrive has that in its trail. */
MUST_USE struct task *task_begin(struct task *task, const char *kind, uint32_t label,
                                 const void *handler);

/* task_leave makes the task current again that was so before task_enter, and releases the one that
 * was entered. When that has not ended and is not parked, it is waiting from now on. */
void task_leave(struct task *previous);

/* task_swap_label sets the label alone, for work that is done on behalf of a task that may have
 * ended.
 *
 * Returns: the label before, to be set again afterwards.
 * Thread:  any.
 */
uint32_t task_swap_label(uint32_t label);

/* task_write_for is task_swap_label to the writing of a task's answer, when the task may have ended
 * in this turn: it counts for that task.
 *
 * task_id: task_current_id's, when the answer was queued.
 * Thread:  the loop's.
 */
uint32_t task_write_for(uint32_t label, uint64_t task_id);

/* task_current_id is the current task's id; 0: none is. */
uint64_t task_current_id(void);

/* task_new_id is an id that no task has or gets, for what is listed beside tasks: threads. 1 is
 * never given out: it stands for the main thread.
 *
 * Thread: any.
 */
uint64_t task_new_id(void);

/* task_current is the task whose callback runs now, or NULL. */
struct task *task_current(void);

/* task_current_ref is a reference to the task that the calling thread works for: whose callback
 * runs, or whose job; all zero for none.
 *
 * Thread: any, signal.
 */
struct task_ref task_current_ref(void);

/* task_get_ids copies which trace and span a task shows; all zero: none.
 *
 * Thread: any, signal.
 */
void task_get_ids(const struct task *task, struct trace_ids *ret_ids);

/* task_current_ids is task_get_ids of the task that the calling thread works for.
 *
 * Thread: any, signal.
 */
void task_current_ids(struct trace_ids *ret_ids);

/* task_work_for says for which task the calling thread, which is no loop's, works from now on: a
 * reference of a loop's thread, or all zero.
 *
 * Thread: any.
 */
void task_work_for(struct task_ref ref);
/* task_cpu_ns is the CPU time that a task has used by now: of its callbacks, and of its jobs on
 * other threads that are over. 0 on a thread that runs no loop. */
uint64_t task_cpu_ns(const struct task *task);

/* task_add_cpu adds what a job of the task has used on another thread. */
void task_add_cpu(struct task *task, uint64_t ns);

/* task_end_cpu closes a task's account of CPU time, all but the writing of its answer in this turn;
 * as usage_end. */
struct usage_ended *task_end_cpu(const struct task *task);

/* task_get_costs is what a task has used and suffered by now. */
struct task_costs task_get_costs(const struct task *task);

/* task_get_facts copies what a task shows, as its slot does for other threads. */
struct task_facts task_get_facts(const struct task *task);

/* task_copy_running copies what the current task of a thread shows.
 *
 * Returns: false: none is current.
 * Thread:  any.
 */
MUST_USE bool task_copy_running(const struct task_thread *thread, struct task_facts *ret_facts);

/* task_current_trace is what the current task belongs to. */
const struct trace_context *task_current_trace(void);

/* task_current_context tells what the current task is: a log_context_fn. */
bool task_current_context(struct log_context *ret_context);

/* task_park says what a task waits for from now on, and keeps the stack of the caller; a task that
 * waits already keeps the stack it has.
 *
 * state: a literal.
 */
void task_park(struct task *task, const char *state);

/* task_park_for is task_park with the name of the statement or command that is waited for.
 *
 * what: a literal; NULL for none.
 */
void task_park_for(struct task *task, const char *state, const char *what);

/* task_note writes something into the trail that the task met.
 *
 * note: one of the task_note_*.
 */
void task_note(struct task *task, const char *note, uint64_t number);

/* task_is_note tells whether a change of a trail is a note.
 *
 * Thread: any.
 */
bool task_is_note(const struct task_change *change);

/* task_show_trace shows other threads which trace the task belongs to. */
void task_show_trace(struct task *task, const struct trace_context *trace);

/* task_next_span is the id that the span of the task's next wait will have, below the task's own:
 * what is asked of another server carries it. Where the trail has no room for the wait it is the
 * task's own. */
void task_next_span(const struct task *task, const uint8_t own_id[TRACE_SPAN_ID_BYTES],
                    uint8_t ret_id[TRACE_SPAN_ID_BYTES]);

/* task_keep_await_stacks makes task_park keep up to TASK_AWAIT_FRAMES_MAX frames instead of its
 * caller alone. */
void task_keep_await_stacks(bool is_on);

/* task_on_wait names who is told of every wait that has ended; NULL: nobody. */
void task_on_wait(task_wait_fn on_wait);

/* task_on_run names who is told, from now on, how long tasks run; NULL: nobody. It costs a look at
 * the clock each time that a task begins or stops to run. */
void task_on_run(task_run_fn on_run);

/* task_await names what will run a callback of the task, once: a query under way, a timer that
 * runs, its peer. A task that waits and has nothing of that kind is leaked, whoever holds it.
 *
 * task: NULL does nothing.
 */
void task_await(struct task *task, struct task_waker waker);

/* task_awaited takes that back: the callback begins, or what was to run it is destroyed. */
void task_awaited(struct task *task, struct task_waker waker);

/* task_is_leaked tells whether nothing will ever run a callback of a task: its handler has returned
 * without an answer, and what was to wake it is gone, or never was.
 *
 * Thread: any, signal.
 */
bool task_is_leaked(const struct task_facts *facts);

/* task_set_state gives another name to what a task does, and keeps since when and where.
 *
 * state: a literal.
 */
void task_set_state(struct task *task, const char *state);

/* task_unpark says that a task runs again; harmless when it does. */
void task_unpark(struct task *task);

/* task_add_wait adds what is given up when the task is cancelled. */
void task_add_wait(struct task *task, struct task_wait *wait,
                   void (*cancel)(struct task_wait *wait));

/* task_remove_wait takes it out; harmless when it is in no list. */
void task_remove_wait(struct task_wait *wait);

/* task_set_cancelled notes that a task was cancelled: it asks for nothing more. As soon as nobody
 * holds it, there is nobody left to end it: on_unheld runs then, once, and ends it. */
void task_set_cancelled(struct task *task, task_free_fn on_unheld);

/* task_cancel_waits gives up all that a task waits for, which the caller holds. */
void task_cancel_waits(struct task *task);

/* task_cancel runs the task's on_cancel, once; later calls do nothing. */
void task_cancel(struct task *task, int status);

/* task_cancel_all cancels every living task.
 *
 * Returns: how many.
 */
size_t task_cancel_all(int status);

/* task_count is the number of living tasks. */
size_t task_count(void);

/* task_for_each calls `fn` for every living task, in no order; fn may end the task it is given, and
 * start others, which it may or may not be called for. */
void task_for_each(void (*fn)(struct task *task, void *arg), void *arg);

#endif
