/* SPDX-License-Identifier: MIT
 *
 * task_slots.h - the table of tasks in flight: one slot for each task, which any thread may copy.
 *
 * There is one table for all loops. A slot is the thread's that took it, and a loop runs on one
 * thread: it alone writes and looks its tasks up; every other thread copies a slot without a lock
 * and without a signal. A copy is whole or taken again: the slot's sequence number is odd while the
 * slot is written, and another one afterwards. Chunks of slots are never freed, so a reference into
 * the table may be looked up at any time.
 *
 * Memory: TASK_SLOT_BYTES for each task of the greatest number that was ever in flight at once.
 * Thread: the slot's, but for task_slots_count, task_slots_living, task_slots_copy and
 *         task_slots_copy_trail.
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

/* What other threads may see of one that runs tasks; it is never freed. */
struct task_thread {
    _Atomic uint32_t slot; /* the current task's; UINT32_MAX: none is */
    struct task_thread *next;
};

/* Which trace a task belongs to; all zero: nobody has asked yet. */
struct task_span {
    uint64_t trace_id[2]; /* in the order of their bytes: as 16 bytes they are the id */
    uint64_t span_id;     /* as 8 bytes */
    uint64_t parent_id;
    uint32_t flags; /* TRACE_SAMPLED ... */
};

/* What a task has used and suffered by its last callback. */
struct task_costs {
    uint64_t cpu_ns;          /* see task_cpu_ns */
    uint64_t behind_ns;       /* it waited for the loop behind long callbacks of others; delay.h */
    uint64_t behind_upper_ns; /* ... perhaps, and at most: the kernel does not tell */
    uint64_t behind_label;    /* whose callback was the longest; it means nothing without either */
};

/* What will run a callback of a task, unless it is destroyed first. */
struct task_waker {
    const char *kind; /* "mysql", "timer" ..., a literal; NULL: none */
    uint64_t id;      /* among those of its kind: a connection, say; 0: it has none */
};

/* All that will. */
struct task_wakers {
    uint64_t count;
    struct task_waker last; /* the one that was named last, unless it is gone */
};

/* Whose request a task is. */
struct task_peer {
    uint8_t addr[16]; /* IPv6; IPv4 is mapped */
    uint64_t port;    /* 0: it is not known */
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
    bool is_running;     /* a callback of it runs now, whatever its state says */
    const void *await_stack[TASK_AWAIT_FRAMES_MAX];
    struct task_wakers wakers;
    struct task_costs costs; /* all zero before its first callback has returned, ... */
    struct task_peer peer;   /* ... and this, too */
};

/* A change of state, or a note: something that a task met without changing its state. */
struct task_change {
    uint64_t when_ns;  /* clock_now_ns */
    const char *state; /* a literal; of a note one of the task_note_* of task.h */
    union {
        const char *what; /* of a change: the statement or command it waits for, a literal; NULL */
        uint64_t number;  /* of a note */
    };
};

/* A copy of a task with its trail: what it did from its start on. Up to the first change it is
 * received and run at once; the last change lasts, unless others were lost. */
struct task_trail {
    struct task_facts facts;
    struct task_span span;
    uint32_t change_count; /* in `changes`, the oldest first */
    uint32_t lost_count;   /* later ones, for which there was no room */
    struct task_change changes[TASK_CHANGES_MAX];
};

/* task_slots_thread is the calling thread's; NULL when memory is missing. */
struct task_thread *task_slots_thread(void);

/* task_slots_take gives a task a slot of the calling thread's.
 *
 * Returns: its index; UINT32_MAX when memory is missing.
 */
MUST_USE uint32_t task_slots_take(struct task *task);

/* task_slots_give takes a slot back; references to its task are stale from now on. */
void task_slots_give(uint32_t index);

/* task_slots_task is the task that has the slot; NULL: none, or the slot is not one of the calling
 * thread's. */
struct task *task_slots_task(uint32_t index);

/* task_slots_publish shows all that task_facts has of a task, which has the slot. */
void task_slots_publish(uint32_t index, const struct task *task);

/* task_slots_publish_server shows whom the task serves alone: kind, label and handler. */
void task_slots_publish_server(uint32_t index, const struct task *task);

/* task_slots_publish_state shows the state, its time and the await stack alone. */
void task_slots_publish_state(uint32_t index, const struct task *task);

/* task_slots_publish_costs shows costs. */
void task_slots_publish_costs(uint32_t index, const struct task_costs *costs);

/* task_slots_publish_wakers shows what will wake the task. */
void task_slots_publish_wakers(uint32_t index, const struct task_wakers *wakers);

/* task_slots_publish_peer shows whose request the task is. */
void task_slots_publish_peer(uint32_t index, const struct task_peer *peer);

/* task_slots_add_change adds to the task's trail, or counts a change for which there is no room. */
void task_slots_add_change(uint32_t index, const struct task_change *change);

/* task_slots_change_count is the number of changes of the task, with those that its trail has not
 * kept. */
uint32_t task_slots_change_count(uint32_t index);

/* task_slots_publish_span shows which trace the task belongs to. */
void task_slots_publish_span(uint32_t index, const struct task_span *span);

/* task_slots_count is the number of slots that there are: indexes are below it.
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
 * Returns: false: no task is in it, or it changed each time that it was read.
 * Thread:  any.
 */
MUST_USE bool task_slots_copy(uint32_t index, struct task_facts *ret_facts);

/* task_slots_copy_trail copies what task_slots_copy does, and the trail.
 *
 * Returns: as task_slots_copy.
 * Thread:  any.
 */
MUST_USE bool task_slots_copy_trail(uint32_t index, struct task_trail *ret_trail);

/* task_slots_copy_ids copies which trace and span the task `id` has, which a slot had.
 *
 * id: 0 for none.
 * ret_ids: all zero when the slot has another task by now, when nobody has asked yet which trace it
 *          is, and when the slot is being written.
 * Thread:  any, signal.
 */
void task_slots_copy_ids(uint32_t index, uint64_t id, struct trace_ids *ret_ids);

/* task_slots_peek is task_slots_copy for a process that crashes: it waits for nobody, and a slot
 * that is being written it copies as it stands.
 *
 * Returns: false: no task is in it.
 * Thread:  any, signal.
 */
MUST_USE bool task_slots_peek(uint32_t index, struct task_facts *ret_facts,
                              struct task_span *ret_span);

#endif
