/* SPDX-License-Identifier: MIT
 *
 * asleep.h - the stack of a thread that sleeps in a system call which a signal would end: taken
 * from outside, so that the sleep lasts.
 *
 * The kernel says in which call the thread sleeps, with which stack pointer and program counter;
 * its stack is copied and walked. What was taken counts when the thread has not run meanwhile.
 *
 * Failure: the kernel does not say what the frame pointer is. The walk begins without, and where no
 *          function between the system call and a frame that needs it has saved it, it ends there:
 *          the stack is then not complete, but never wrong. Our own calls save it: asleep_frames.c.
 * Memory:  one copy of a stack, static.
 * Thread:  any but the one that is asked for, one at a time.
 */
#ifndef TOQ_PROFILING_CPU_ASLEEP_H
#define TOQ_PROFILING_CPU_ASLEEP_H

#include <sys/types.h>

#include "core/loop/loop.h"
#include "profiling/walk/thread_signal.h"

/* asleep_take takes the stack of a thread that sleeps so.
 *
 * loop: the thread's; its running task says the label. NULL: there is none, nor a label.
 * end_ns: of clock_now_ns; until then it waits for a thread that is being woken.
 * Returns: 0 with *ret_stack filled, with no frame while no unwind table is published. UV_EAGAIN: a
 *          signal does no harm, for the thread runs, or waits in another call, or has ended; or the
 *          kernel does not show it (no /proc, no process_vm_readv). UV_ETIMEDOUT: the thread got no
 *          processor.
 */
MUST_USE int asleep_take(pid_t tid, const struct loop *loop, uint64_t end_ns,
                         struct thread_stack *ret_stack);

#endif
