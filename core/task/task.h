/* SPDX-License-Identifier: MIT
 *
 * task.h - tasks: every request in flight, from its first byte to its end, with its state; and the
 * one mechanism that tells whether its memory may still be used.
 *
 * The current task is the one whose callback runs now; CPU samples take their labels from it, so
 * the code that resumes a task brackets the callback with task_enter and task_leave. Between them
 * the task is held: its memory goes back when the task has ended and nobody holds it, never from
 * inside one of its own callbacks. Code that outlives a callback holds the task (task_hold), or
 * keeps a reference, {slot, id}, which is stale once the task has ended.
 *
 * Flow:    task_start -> task_enter/task_leave round each callback, task_park before waiting ->
 *          task_end -> the last task_release -> on_free
 * Memory:  a task is embedded in its owner, which frees it in on_free and not before.
 * Thread:  a task belongs to the loop, and so to the thread, that it was started on. "All tasks"
 *          and "the current task" are those of the calling thread. Unless a function says
 *          otherwise: the loop.
 */
#ifndef TOQ_CORE_TASK_TASK_H
#define TOQ_CORE_TASK_TASK_H

#include "core/base/list.h"
#include "core/task/delay.h"
#include "core/task/label.h"
#include "core/task/task_record.h"
#include "core/task/task_self.h"
#include "core/task/task_slots.h"
#include "core/telemetry/log.h"

struct task;
struct usage_ended;

/* A task_cancel_fn cancels what the task waits for and ends the task, now or soon; it runs at most
 * once.
 *
 * status: UV_ECANCELED: a drain ran out of time; UV_ETIMEDOUT: the deadline passed; UV_ENOMEM: an
 *         ask found no memory. */
typedef void (*task_cancel_fn)(struct task *task, int status);

/* A task_trace_fn returns the trace that a task belongs to; the first call begins its span. */
typedef const struct trace_context *(*task_trace_fn)(struct task *task);

/* A task_peer_fn writes the peer of a task as text, in LOG_PEER_BYTES. */
typedef void (*task_peer_fn)(const void *task, char *out);

/* A task_free_fn takes back the memory of a task that has ended and that nobody holds. */
typedef void (*task_free_fn)(struct task *task);

/* Something that a task waits for and that is cancelled with the task: an ask of MySQL or Redis,
 * work on a thread. Embedded in what is waited for; it does not hold the task. */
struct task_wait {
    struct task_wait *next;
    struct task_wait **at; /* what points at it; NULL: it is in no list */
    /* runs when it has left the list: has its callback run with UV_ECANCELED, now or soon */
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
    struct task_record record;
    uint64_t start_ns; /* clock_now_ns */
    uint64_t state_ns; /* since when it is in this state */
    task_cancel_fn on_cancel;
    task_trace_fn get_trace;  /* its owner's, set after task_start; NULL: it has no trace */
    task_peer_fn format_peer; /* as get_trace; NULL: it has no peer */
    task_free_fn on_free;     /* as get_trace; NULL: it has no memory to give back */
    struct task_wait *waits;  /* that are cancelled with it */
    struct task_wakers wakers;
    uint64_t cpu_ticks; /* usage.h's; see task_cpu_ns */
    struct task_behind behind;
    uint32_t label;
    uint32_t slot;  /* TASK_NO_SLOT: it has ended */
    uint32_t holds; /* callbacks of it that run, and what is pending for it */
};

#define TASK_NO_SLOT UINT32_MAX

/* The states of a task that is not parked. */
extern const char task_state_receiving[]; /* until its first callback */
extern const char task_state_running[];
extern const char task_state_waiting[]; /* between two callbacks, for what its handler knows: its
                                           stack is the handler */

/* Notes in a task's trail, each with a number. */
extern const char task_note_hit[];    /* items that the cache had */
extern const char task_note_miss[];   /* items that it had not */
extern const char task_note_batch[];  /* it joined a read for several: its id << 16 | how many */
extern const char task_note_error[];  /* what it waited for failed: the other server's code */
extern const char task_note_status[]; /* the HTTP status of the answer that it waited for */

/* The number of task_note_batch where the read was for the same item. */
#define TASK_BATCH_SHARED (1u << 16)

/* The state from the moment that what a task waited for is there until its callback: it waits for
 * the loop, which works for others. */
extern const char task_state_loop[];

/* A task_wait_fn gets a wait that ends: in task->state, at its await stack, since task->state_ns.
 * It does not touch the task. now_ns: clock_now_ns. */
typedef void (*task_wait_fn)(const struct task *task, uint64_t now_ns);

/* A task_run_fn gets the time that the current task has run since the last call for it. It does not
 * touch the task. */
typedef void (*task_run_fn)(const struct task *task, uint64_t ran_ns);

/* task_current_label is the label of what the calling thread works for: on the loop's thread that
 * of the current task, LABEL_NONE between tasks; on a worker thread that of the task whose job it
 * runs.
 *
 * Thread: any, signal.
 */
static inline uint32_t task_current_label(void)
{
    return task_self.label;
}

/* task_start gives a task a slot and an id: from now on it is in flight.
 *
 * kind:    a literal.
 * now_ns:  clock_now_ns, at its first byte.
 * Returns: 0; UV_ENOMEM: it is not in flight.
 */
MUST_USE int task_start(struct task *task, const char *kind, uint64_t now_ns,
                        task_cancel_fn on_cancel);

/* task_describe sets a task's kind, label and handler.
 *
 * kind:    a literal.
 * handler: the code of the function that serves the task.
 */
void task_describe(struct task *task, const char *kind, uint32_t label, const void *handler);

/* task_end ends a task: its slot is free, and references to it are stale. Its memory goes when
 * nobody holds it, so perhaps now. Harmless when it has ended and is held. */
void task_end(struct task *task);

/* task_hold keeps a task's memory until task_release, even after its end. NULL: does nothing. */
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

/* task_enter makes `task` the current one, and holds it; NULL: none is current. A task in the state
 * task_state_waiting runs again; one that was parked stays so until task_unpark.
 *
 * Returns: the task that was current, or NULL; for task_leave.
 */
MUST_USE struct task *task_enter(struct task *task);

/* task_begin is task_describe and task_enter for the first callback of a task. A request that took
 * more than one turn to arrive has that in its trail.
 *
 * Returns: as task_enter.
 */
MUST_USE struct task *task_begin(struct task *task, const char *kind, uint32_t label,
                                 const void *handler);

/* task_leave makes the task from before task_enter current again, and releases the one that was
 * entered. Unless that has ended or is parked, its state is task_state_waiting from now on. */
void task_leave(struct task *previous);

/* task_swap_label sets the label alone, for work on behalf of a task that may have ended.
 *
 * Returns: the label before, to be set again afterwards.
 * Thread:  any.
 */
uint32_t task_swap_label(uint32_t label);

/* task_write_for is task_swap_label for the write of a task's answer: if the task has ended in this
 * turn, the write still counts for it.
 *
 * task_id: task_current_id's, when the answer was queued.
 */
uint32_t task_write_for(uint32_t label, uint64_t task_id);

/* task_current_id is the current task's id; 0: there is none. */
uint64_t task_current_id(void);

/* task_new_id returns an id that no task has or gets, for threads, which are listed beside tasks. 1
 * is never returned: it stands for the main thread.
 *
 * Thread: any.
 */
uint64_t task_new_id(void);

/* task_current is the task whose callback runs now, or NULL. */
struct task *task_current(void);

/* task_current_ref is a reference to the task that the calling thread works for: the one whose
 * callback runs, or whose job; all zero for none.
 *
 * Thread: any, signal.
 */
struct task_ref task_current_ref(void);

/* task_get_ids copies the ids of the trace and span that a task shows; all zero: none.
 *
 * Thread: any, signal.
 */
void task_get_ids(const struct task *task, struct trace_ids *ret_ids);

/* task_current_ids is task_get_ids of the task that the calling thread works for.
 *
 * Thread: any, signal.
 */
void task_current_ids(struct trace_ids *ret_ids);

/* task_work_for sets the task that the calling thread, which runs no loop, works for from now on; a
 * reference that is all zero: none.
 *
 * Thread: any.
 */
void task_work_for(struct task_ref ref);

/* task_cpu_ns is the CPU time that a task has used so far: its callbacks, and its jobs on other
 * threads that are over. 0 on a thread that runs no loop. */
uint64_t task_cpu_ns(const struct task *task);

/* task_add_cpu adds the CPU time of a job of the task on another thread. */
void task_add_cpu(struct task *task, uint64_t ns);

/* task_end_cpu closes a task's account of CPU time, except for the write of its answer in this
 * turn.
 *
 * Returns: as usage_end.
 */
struct usage_ended *task_end_cpu(const struct task *task);

/* task_get_costs is the CPU time and the delays of a task so far. */
struct task_costs task_get_costs(const struct task *task);

/* task_get_facts copies what a task shows, as its slot does for other threads, but for costs and
 * peer. */
struct task_facts task_get_facts(const struct task *task);

/* task_copy_running copies what the current task of a thread shows.
 *
 * Returns: true with *ret_facts set; false: there is none.
 * Thread:  any.
 */
MUST_USE bool task_copy_running(const struct task_thread *thread, struct task_facts *ret_facts);

/* task_current_trace is the trace of the current task; NULL: it has none, or there is no task. */
const struct trace_context *task_current_trace(void);

/* task_current_context describes the current task for log lines: a log_context_fn. */
bool task_current_context(struct log_context *ret_context);

/* task_park sets what a task waits for from now on, and keeps the stack of the caller; a task that
 * waits already keeps the stack it has. Harmless when the task has ended.
 *
 * state: a literal.
 */
void task_park(struct task *task, const char *state);

/* task_park_for is task_park with the name of the statement or command that is waited for.
 *
 * what: a literal; NULL for none. now_ns: clock_now_ns, which callers have read for themselves.
 */
void task_park_for(struct task *task, const char *state, const char *what, uint64_t now_ns);

/* task_note adds a note to the task's trail; harmless when the task has ended.
 *
 * note: one of the task_note_*.
 */
void task_note(struct task *task, const char *note, uint64_t number);

/* task_is_note tells whether a change of a trail is a note.
 *
 * Thread: any.
 */
bool task_is_note(const struct task_change *change);

#define TASK_MYSQL_ERROR_MIN 1000 /* MySQL's own numbers begin here; libuv's are less */
#define TASK_ERROR_BYTES     24

/* task_error_word is the number of a task_note_error as a word: "1205" of MySQL's, "ETIMEDOUT" of
 * libuv's.
 *
 * out:     TASK_ERROR_BYTES, which get it.
 * Returns: out.
 * Thread:  any.
 */
const char *task_error_word(uint64_t number, char *out);

/* task_show_trace publishes the trace that the task belongs to, for other threads. */
void task_show_trace(struct task *task, const struct trace_context *trace);

/* task_next_span returns the id that the span of the task's next wait will have, as a child of the
 * task's own: a request to another server carries it. Where the trail has no room for the wait it
 * is the task's own id. */
void task_next_span(const struct task *task, const uint8_t own_id[TRACE_SPAN_ID_BYTES],
                    uint8_t ret_id[TRACE_SPAN_ID_BYTES]);

/* task_keep_await_stacks makes task_park keep up to TASK_AWAIT_FRAMES_MAX frames instead of its
 * caller alone. */
void task_keep_await_stacks(bool is_on);

/* task_on_wait registers the callback for every wait that ends; NULL: none.
 *
 * Thread: any.
 */
void task_on_wait(task_wait_fn on_wait);

/* task_on_run registers the callback for the time that tasks run, from now on; NULL: none. It costs
 * a reading of the clock each time that a task begins or stops to run.
 *
 * Thread: any.
 */
void task_on_run(task_run_fn on_run);

/* task_await registers what will run a callback of the task, once: a pending query, a timer, the
 * peer. A task that waits and has no waker is leaked, whoever holds it.
 *
 * task: NULL does nothing.
 */
void task_await(struct task *task, struct task_waker waker);

/* task_awaited removes a waker: its callback begins, or it is destroyed. NULL: does nothing. */
void task_awaited(struct task *task, struct task_waker waker);

/* task_is_leaked tells whether nothing will ever run a callback of a task: its handler has returned
 * without an answer, and it has no waker.
 *
 * Thread: any, signal.
 */
bool task_is_leaked(const struct task_facts *facts);

/* task_unpark ends a wait: the task runs again. Harmless when it runs. */
void task_unpark(struct task *task);

/* task_unpark_at is task_unpark for callers that have read the clock. now_ns: clock_now_ns. */
void task_unpark_at(struct task *task, uint64_t now_ns);

/* task_add_wait adds what is to be cancelled with the task; wait->at is NULL. */
void task_add_wait(struct task *task, struct task_wait *wait,
                   void (*cancel)(struct task_wait *wait));

/* task_remove_wait takes it out; harmless when it is in no list. */
void task_remove_wait(struct task_wait *wait);

/* task_set_cancelled marks a task as cancelled: it starts nothing more. Once nobody holds it,
 * nobody is left to end it: on_unheld runs then in place of on_free, and ends it if it has not
 * ended. */
void task_set_cancelled(struct task *task, task_free_fn on_unheld);

/* task_cancel_waits cancels all that a task waits for; the caller holds the task. */
void task_cancel_waits(struct task *task);

/* task_cancel runs the task's on_cancel, once; later calls do nothing.
 *
 * status: as task_cancel_fn.
 */
void task_cancel(struct task *task, int status);

/* task_cancel_all cancels every task of the calling thread, but not those that a cancel starts.
 *
 * Returns: how many there were.
 */
size_t task_cancel_all(int status);

/* task_count is the number of tasks in flight. */
size_t task_count(void);

/* task_for_each calls `fn` for every task in flight, in no order; fn may end the task that it is
 * given, and start others, which it may or may not be called for. */
void task_for_each(void (*fn)(struct task *task, void *arg), void *arg);

#endif
