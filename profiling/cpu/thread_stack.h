/* SPDX-License-Identifier: MIT
 *
 * thread_stack.h - the stack of another thread, requested by a signal: the thread takes its own
 * stack in the handler and goes on.
 *
 * A thread that waits in the kernel is woken for it, when it goes on waiting afterwards: reads and
 * locks do (SA_RESTART). One that sleeps in nanosleep or poll, which a signal would end, gets none:
 * its stack is taken from outside. Between the look and the signal a thread that ran may fall
 * asleep: a microsecond in which its sleep is still ended.
 *
 * Flow:    thread_stack_take -> asleep_take
 *          thread_stack_take -> SIGPROF -> cpu_signal.c -> thread_signal_answer
 * Failure: a thread that blocks the signal, or that nothing wakes, is taken for one without a stack
 *          after a timeout.
 * Thread:  any but the thread that is asked; callers wait for each other.
 */
#ifndef TOQ_PROFILING_CPU_THREAD_STACK_H
#define TOQ_PROFILING_CPU_THREAD_STACK_H

#include <sys/types.h>

#include "core/loop/loop.h"
#include "profiling/walk/thread_signal.h"

/* thread_stack_init makes ready for the first question; after bounds_init and cpu_init, once or
 * again.
 *
 * work: the loop of the calling thread, whose tasks label that thread's stacks while it sleeps;
 *       until thread_stack_deinit.
 * Thread: main.
 */
void thread_stack_init(const struct loop *work);

/* thread_stack_deinit forgets the loop, perhaps after waiting for who asks now. Stacks may still be
 * asked for.
 *
 * Thread: main.
 */
void thread_stack_deinit(void);

/* thread_stack_take waits for a thread's stack.
 *
 * Returns: 0 with *ret_stack filled; frame_count is 0 while no unwind table is published. The label
 *          of a thread that sleeps is LABEL_NONE, unless it is the work loop's. UV_ESRCH the
 *          thread has ended; UV_ETIMEDOUT.
 */
MUST_USE int thread_stack_take(pid_t tid, uint64_t timeout_ns, struct thread_stack *ret_stack);

#endif
