/* SPDX-License-Identifier: MIT
 *
 * cpu_signal.h - the SIGPROF handler: the one place that sees what a thread is doing while it does
 * it.
 *
 * Flow:    a thread's CPU timer -> SIGPROF on that thread -> registers -> unwind_walk -> ring_push
 *          thread_stack_take -> SIGPROF on that thread -> thread_signal_answer
 * Failure: a late signal, one that neither sent, or a timer's outside a capture does nothing.
 * Memory:  a slot is never freed, because the kernel may still hold its address in a signal.
 * Thread:  the handler runs on every thread of the process: no lock, no malloc, errno kept.
 */
#ifndef TOQ_PROFILING_CPU_SIGNAL_H
#define TOQ_PROFILING_CPU_SIGNAL_H

#include "profiling/ring.h"
#include "profiling/unwind.h"

/* What the handler knows of one thread; the address of its slot comes with each signal. */
struct cpu_slot {
    atomic_bool is_armed;            /* the thread is sampled now */
    atomic_uint_least32_t period_ns; /* of its timer */

    /* The bounds of the thread's stack; high 0: unknown, and thread_pointer helps to find them. */
    atomic_uint_fast64_t stack_low;
    atomic_uint_fast64_t stack_high;
    atomic_uint_fast64_t thread_pointer; /* lies at the top of the stack that libc made */

    atomic_uint_fast64_t handler_ns; /* spent in the handler, since last taken */
    struct ring ring;

    /* The handler's room to work: stacks of coroutines are too small for it. */
    struct ring_sample scratch;
    uint64_t copy[UNWIND_COPY_BYTES / sizeof(uint64_t)];
};

/* cpu_signal_install puts the handler in place, once; it stays for the life of the process.
 *
 * read_label: tells what the calling thread works for; async-signal-safe.
 * Returns: 0, or a negative errno.
 * Thread:  the loop.
 */
MUST_USE int cpu_signal_install(uint32_t (*read_label)(void));

/* cpu_signal_enable lets the handler take samples, or makes it do nothing from now on; one that is
 * running finishes.
 *
 * Thread: any.
 */
void cpu_signal_enable(bool is_on);

#endif
