/* SPDX-License-Identifier: MIT
 *
 * task_slots.h - the table of tasks in flight: one slot for each task, which any thread may copy.
 *
 * There is one table for all loops. A slot belongs to the thread that took it, and a loop runs on
 * one thread: that alone writes the slot and looks its task up; every other thread copies a slot
 * without a lock and without a signal. A torn copy is taken again: the slot's sequence number is
 * odd while the slot is written, and another one afterwards. Chunks of slots are never freed, so a
 * reference into the table may be looked up at any time.
 *
 * Memory: TASK_SLOT_BYTES for each of the most tasks that were ever in flight at once.
 * Thread: the slot's, unless a function says otherwise.
 * Source: H.-J. Boehm, "Can seqlocks get along with programming language memory models?", 2012:
 *         without fences, by acquire and release at each word.
 */
#ifndef TOQ_CORE_TASK_TASK_SLOTS_H
#define TOQ_CORE_TASK_TASK_SLOTS_H

#include "core/base/trace_ids.h"

#define TASK_AWAIT_FRAMES_MAX 12
#define TASK_CHANGES_MAX      16 /* that a trail keeps; the others are counted */
#define TASK_SLOT_BYTES       704

struct task;

/* What other threads may see of a thread that runs tasks; never freed. */
struct task_thread {
    _Atomic uint32_t slot; /* the current task's; UINT32_MAX: there is none */
    struct task_thread *next;
};

/* The trace that a task belongs to; all zero: it has not begun, and the task shows no peer. */
struct task_span {
    uint64_t trace_id[2]; /* in the order of their bytes: as 16 bytes they are the id */
    uint64_t span_id;     /* as 8 bytes */
    uint64_t parent_id;
    uint32_t flags; /* TRACE_SAMPLED ... */
};

/* The CPU time of a task, and its delays, up to its last callback. */
struct task_costs {
    uint64_t cpu_ns;          /* see task_cpu_ns */
    uint64_t behind_ns;       /* it waited for the loop behind long callbacks of others: delay.h */
    uint64_t behind_upper_ns; /* ... at most: an upper bound, where the kernel does not tell */
    uint64_t behind_label;    /* of the longest of those callbacks; valid if either is not 0 */
};

/* What will run a callback of a task, unless it is destroyed first. */
struct task_waker {
    const char *kind; /* "mysql", "timer" ..., a literal; NULL: none */
    uint64_t id;      /* among those of its kind, of a connection for example; 0: it has none */
};

/* The wakers of a task. */
struct task_wakers {
    uint64_t count;
    struct task_waker last; /* the one registered last, unless it is gone */
};

/* The peer whose request a task is. */
struct task_peer {
    uint8_t addr[16];  /* IPv6; IPv4 is mapped */
    uint32_t port;     /* 0: the peer is not known */
    uint32_t has_span; /* the task has the span that trace_begin makes of its id without a caller */
};

/* A copy of what a task shows. */
struct task_facts {
    uint64_t id;
    const char *kind;    /* a literal */
    const char *state;   /* a literal */
    const void *handler; /* code of the function that serves it; NULL: unknown */
    uint64_t start_ns;   /* clock_now_ns */
    uint64_t state_ns;   /* since when it is in this state */
    uint32_t label;
    uint8_t await_depth; /* 0: it runs */
    bool is_running;     /* one of its callbacks runs now, whatever its state says */
    const void *await_stack[TASK_AWAIT_FRAMES_MAX];
    struct task_wakers wakers;
    struct task_costs costs; /* all zero before its first callback has returned, ... */
    struct task_peer peer;   /* ... and this, too */
};

/* A change of state, or a note: an event that does not change the state. */
struct task_change {
    uint64_t when_ns;  /* clock_now_ns */
    const char *state; /* a literal; of a note one of the task_note_* of task.h */
    union {
        const char *what; /* of a change: the statement or command it waits for, a literal; NULL */
        uint64_t number;  /* of a note */
    };
};

/* A copy of a task with its trail: its changes from its start on. Until the first change the task
 * is in the state of task_trail_first; that of the last change lasts, unless later ones were
 * lost. */
struct task_trail {
    struct task_facts facts;
    struct task_span span;
    uint32_t change_count; /* in `changes`, the oldest first */
    uint32_t lost_count;   /* later ones, for which there was no room */
    struct task_change changes[TASK_CHANGES_MAX];
};

/* task_trail_first is the state that a trail begins with: a task is received and run at once, or
 * has had no callback yet. */
const char *task_trail_first(const struct task_trail *trail);

/* task_slots_thread finds or makes the calling thread's task_thread; NULL when memory is
 * missing. */
struct task_thread *task_slots_thread(void);

/* task_slots_take gives a task a slot of the calling thread.
 *
 * Returns: its index; UINT32_MAX when memory is missing.
 */
MUST_USE uint32_t task_slots_take(struct task *task);

/* task_slots_give takes a slot back; references to its task are stale from now on. */
void task_slots_give(uint32_t index);

/* task_slots_task is the task that has the slot; NULL: none, or the slot belongs to another
 * thread. */
struct task *task_slots_task(uint32_t index);

/* task_slots_publish writes id, kind, handler, start, label and state of the slot's task, and
 * empties its trail. */
void task_slots_publish(uint32_t index, const struct task *task);

/* task_slots_publish_server writes kind, label and handler. */
void task_slots_publish_server(uint32_t index, const struct task *task);

/* task_slots_publish_state writes the state, its time and the await stack. */
void task_slots_publish_state(uint32_t index, const struct task *task);

/* task_slots_publish_cpu writes the CPU time alone. */
void task_slots_publish_cpu(uint32_t index, uint64_t cpu_ns);

/* task_slots_publish_costs writes the costs. */
void task_slots_publish_costs(uint32_t index, const struct task_costs *costs);

/* task_slots_publish_wakers writes the wakers. */
void task_slots_publish_wakers(uint32_t index, const struct task_wakers *wakers);

/* task_slots_publish_peer writes the peer. */
void task_slots_publish_peer(uint32_t index, const struct task_peer *peer);

/* task_slots_add_change adds a change to the task's trail, or counts it where there is no room. */
void task_slots_add_change(uint32_t index, const struct task_change *change);

/* task_slots_change_count is the number of changes of the task, with those for which its trail had
 * no room. */
uint32_t task_slots_change_count(uint32_t index);

/* task_slots_publish_span writes the trace that the task belongs to. */
void task_slots_publish_span(uint32_t index, const struct task_span *span);

/* task_slots_count is the number of slots: indexes are below it.
 *
 * Thread: any.
 */
uint32_t task_slots_count(void);

/* task_slots_living is the number of tasks in flight, of all threads.
 *
 * Thread: any.
 */
uint32_t task_slots_living(void);

/* task_slots_copy copies what the task in a slot shows.
 *
 * Returns: true with *ret_facts set; false: no task is in it, or it changed during each of some
 *          dozens of tries, and *ret_facts is undefined.
 * Thread:  any.
 */
MUST_USE bool task_slots_copy(uint32_t index, struct task_facts *ret_facts);

/* task_slots_copy_trail copies what task_slots_copy does, and the trail.
 *
 * Returns: as task_slots_copy.
 * Thread:  any.
 */
MUST_USE bool task_slots_copy_trail(uint32_t index, struct task_trail *ret_trail);

/* task_slots_copy_ids copies the ids of the trace and span of the task `id`, which had the slot.
 *
 * id:      0 for none.
 * ret_ids: all zero when the slot has another task by now, when the task's trace has not begun, and
 *          when the slot is being written.
 * Thread:  any, signal.
 */
void task_slots_copy_ids(uint32_t index, uint64_t id, struct trace_ids *ret_ids);

/* task_slots_peek is task_slots_copy for a process that crashes: it never waits, and copies a slot
 * that is being written as it stands.
 *
 * Returns: true with the outputs set; false: no task is in it.
 * Thread:  any, signal.
 */
MUST_USE bool task_slots_peek(uint32_t index, struct task_facts *ret_facts,
                              struct task_span *ret_span);

#endif
