/* SPDX-License-Identifier: MIT
 *
 * task_self.h - what core/task knows of the calling thread: the task that runs, its label, and what
 * the thread's loop keeps for its tasks.
 *
 * The modules of this room write the members, each its own; others read them through task.h.
 *
 * Thread: any; a signal handler reads the members of the thread that it interrupts.
 */
#ifndef TOQ_CORE_TASK_TASK_SELF_H
#define TOQ_CORE_TASK_TASK_SELF_H

#include "core/base/base.h"

struct arrival;
struct delay;
struct recorder_ring;
struct task;
struct task_thread;
struct usage;

/* A reference to a task that may have ended. All zero: to none. */
struct task_ref {
    uint64_t id;
    uint32_t slot;
};

/* All zero: a thread that runs no loop and works for no task. */
struct task_self {
    volatile uint32_t label;        /* task_current_label's */
    uint32_t first_free;            /* plus 1: the slot that was given back last; 0: none */
    uint32_t next_slot;             /* of the thread's newest chunk of slots ... */
    uint32_t end_slot;              /* ... those that no task has had yet, up to here */
    struct task *current;           /* whose callback runs; NULL: none */
    struct task_thread *shown;      /* to other threads; NULL: it has run no loop and no task */
    struct usage *usage;            /* the loop's account; NULL: none */
    struct recorder_ring *recorder; /* NULL: the thread's events are not recorded */
    /* A task that began at or after this time (clock_now_ns) has waited for no long callback; 0:
     * none has; UINT64_MAX: each may have. */
    uint64_t delay_until_ns;
    struct arrival *arrival; /* the loop's; NULL: the thread runs none */
    struct delay *delay;     /* as arrival */
    /* The ids that tasks draw from, a block at a time: so each costs no atomic operation. */
    uint64_t next_id;
    uint64_t end_id;
    size_t living_count; /* tasks in flight */
    uint64_t told_ns;    /* up to when the current task's running is told */
    uint64_t counted_ns; /* the thread's CPU time at the last reading, by the account of any loop */
    struct task_ref job; /* of a thread that is no loop's: the task that it works for */
};

/* Every object is linked into an executable, where the place of this is known: without the
 * attribute each access of code that is compiled with -fPIC would be a call. */
extern _Thread_local struct task_self task_self __attribute__((tls_model("local-exec")));

#endif
