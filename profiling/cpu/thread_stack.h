/* SPDX-License-Identifier: MIT
 *
 * thread_stack.h - the stack of another thread, asked for by a signal: the thread takes it itself,
 * wherever it is, and goes on.
 *
 * A thread that sleeps in the kernel is woken for it: reads and locks go on by themselves
 * (SA_RESTART), nanosleep and poll end early with EINTR.
 *
 * Flow:    thread_stack_take -> SIGPROF -> cpu_signal.c -> thread_signal_answer
 * Failure: a thread that has the signal blocked, or sleeps so that nothing wakes it, is given up
 *          after a time.
 * Thread:  any but the one that is asked for; askers wait for each other.
 */
#ifndef TOQ_PROFILING_CPU_THREAD_STACK_H
#define TOQ_PROFILING_CPU_THREAD_STACK_H

#include <sys/types.h>

#include "profiling/walk/thread_signal.h"

/* thread_stack_init makes ready for the first question; after bounds_init and cpu_init, once or again.
 *
 * Thread: main.
 */
void thread_stack_init(void);

/* thread_stack_take waits for a thread's stack.
 *
 * Returns: 0 with *ret_stack filled; frame_count is 0 while no unwind table is published. UV_ESRCH the
 *          thread has ended; UV_ETIMEDOUT.
 */
MUST_USE int thread_stack_take(pid_t tid, uint64_t timeout_ns, struct thread_stack *ret_stack);

#endif
