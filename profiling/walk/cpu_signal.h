/* SPDX-License-Identifier: MIT
 *
 * cpu_signal.h - the SIGPROF handler: it takes the stack of the thread that it interrupts.
 *
 * Flow:    a thread's CPU timer -> SIGPROF on that thread -> registers -> unwind_walk -> ring_push
 *          the process's CPU timer -> SIGPROF on the thread that runs -> the same, when that thread
 *          has no timer of its own and used a period
 *          thread_stack_take -> SIGPROF on that thread -> thread_signal_answer
 * Failure: a late signal, a foreign one, or a timer's signal outside a capture does nothing.
 * Memory:  a slot is never freed, because the kernel may still hold its address in a signal.
 * Thread:  the handler runs on every thread of the process: no lock, no malloc, errno kept.
 */
#ifndef TOQ_PROFILING_WALK_CPU_SIGNAL_H
#define TOQ_PROFILING_WALK_CPU_SIGNAL_H

#include <signal.h>

#include "profiling/walk/ring.h"
#include "profiling/walk/unwind.h"

#define CPU_SLOTS_MAX 1024

/* What the handler knows of one thread; the number of its slot comes with each timer's signal. */
struct cpu_slot {
    uint32_t number; /* cpu_signal_add_slot's */
    atomic_int tid;  /* the thread's; of two slots never the same */

    atomic_bool is_armed;            /* the thread is sampled now */
    atomic_uint_least32_t period_ns; /* of its timer */
    atomic_bool uses_itimer;         /* it has none, the process's has it sampled */
    atomic_uint_fast64_t sampled_ns; /* then: its CPU time that samples stand for, modulo 2^64 */

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
 * key: a number at random, for cpu_signal_value; that of the first call counts.
 * Returns: 0, or a negative errno.
 * Thread:  the loop.
 */
MUST_USE int cpu_signal_install(ring_owner_fn read_owner, uint32_t key);

/* cpu_signal_add_slot makes a slot known to the handler, for good.
 *
 * Returns: false when there are CPU_SLOTS_MAX.
 * Thread:  the loop, after cpu_signal_install.
 */
MUST_USE bool cpu_signal_add_slot(struct cpu_slot *slot);

/* cpu_signal_value is what the signal of a slot's timer carries: the slot's number and a random
 * key. Other code of the process may have timers with this signal: what they carry is never taken
 * for a slot, let alone for an address.
 *
 * Thread: the loop.
 */
union sigval cpu_signal_value(const struct cpu_slot *slot);

/* cpu_signal_take_periods counts the periods that a thread without a timer used and no sample
 * stands for yet; the caller makes one of that weight.
 *
 * cpu_ns: what the thread's clock says.
 * Thread:  any, signal.
 */
MUST_USE uint32_t cpu_signal_take_periods(struct cpu_slot *slot, uint64_t cpu_ns);

/* cpu_signal_enable lets the handler take samples, or makes it do nothing from now on; one that is
 * running finishes.
 *
 * Thread: any.
 */
void cpu_signal_enable(bool is_on);

#endif
