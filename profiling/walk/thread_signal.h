/* SPDX-License-Identifier: MIT
 *
 * thread_signal.h - the answer of a thread that is asked for its stack by a signal. The question
 * is thread_stack.c's.
 *
 * The question names the thread, the signal carries nothing: what it carries is lost when the
 * process may queue no more signals (RLIMIT_SIGPENDING), and one that finds another pending is that
 * one. So any SIGPROF on the thread that is asked answers.
 *
 * Failure: a signal that comes too late, or to a thread that is not asked, does nothing.
 * Memory:  one question at a time, static: a late signal finds the question gone.
 * Thread:  signal, unless a function says otherwise.
 */
#ifndef TOQ_PROFILING_WALK_THREAD_SIGNAL_H
#define TOQ_PROFILING_WALK_THREAD_SIGNAL_H

#include <semaphore.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "profiling/walk/ring.h"
#include "profiling/walk/unwind.h"

#define THREAD_STACK_FRAMES_MAX 128

/* The stack of a thread at one moment. */
struct thread_stack {
    struct ring_owner owner; /* what the thread worked for */
    uint32_t frame_count;
    bool is_complete;    /* the last frame is the thread's start */
    uint64_t handler_ns; /* how long the signal held the thread; 0: there was none */
    uint64_t frames[THREAD_STACK_FRAMES_MAX]; /* in the call instructions, the innermost first */
};

enum thread_signal_phase {
    THREAD_SIGNAL_IDLE,
    THREAD_SIGNAL_ASKED,
    THREAD_SIGNAL_ANSWERING, /* the asker must wait for it */
    THREAD_SIGNAL_ANSWERED,
    THREAD_SIGNAL_PHASES,
};

struct thread_signal {
    atomic_uint_fast64_t state; /* number of the question * THREAD_SIGNAL_PHASES + phase */
    atomic_int tid;             /* who is asked; set before the state is ASKED */
    sem_t answered;             /* posted once per answer */

    struct thread_stack stack; /* the answer */
    uint64_t copy[UNWIND_COPY_BYTES / sizeof(uint64_t)];
};

extern struct thread_signal thread_signal;

/* thread_signal_answer writes the stack of the interrupted thread into thread_signal, when that
 * thread is asked for it.
 *
 * table: NULL: the answer is an empty stack.
 */
void thread_signal_answer(const struct unwind_table *table, const ucontext_t *context,
                          ring_owner_fn read_owner);

#endif
