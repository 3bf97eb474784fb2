/* SPDX-License-Identifier: MIT
 *
 * asleep.h - takes the stack of a thread that sleeps in a system call, from outside, because a
 * signal would end the sleep.
 *
 * The kernel says in which call the thread sleeps, with which stack pointer and program counter;
 * its stack is copied and walked. The stack is used only if the thread has not run meanwhile.
 *
 * Failure: the kernel does not tell the frame pointer. The walk begins without it, and ends at a
 *          frame that needs it unless a function in between has saved it: the stack is then
 *          incomplete, but never wrong. Calls of the server save it: asleep_frames.c.
 * Memory:  one copy of a stack, static.
 * Thread:  any but the thread whose stack is taken; one at a time.
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
