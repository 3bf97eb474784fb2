/* SPDX-License-Identifier: MIT
 *
 * cpu_signal.c - the handler and the switch that turns it on.
 *
 * The table is published by one atomic pointer; NULL is off. A handler counts itself in before it
 * reads the pointer and out when it is done with the table, so whoever stores NULL and then sees a
 * count of zero may free the table.
 */
#include "profiling/cpu_signal.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static _Atomic(const struct unwind_table *) active_table;
static atomic_uint running_count;
static int own_pid;
static bool is_installed;

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The thread's own stack when sp lies in it; else, on a coroutine's stack or before the bounds are
 * known, a copy. */
static struct unwind_stack find_stack(struct cpu_slot *slot, uint64_t sp)
{
    uint64_t high = atomic_load_explicit(&slot->stack_high, memory_order_acquire);
    uint64_t low = atomic_load_explicit(&slot->stack_low, memory_order_relaxed);
    if (sp >= low && sp < high) {
        return (struct unwind_stack){sp, high, 0};
    }
    return unwind_copy_stack(own_pid, sp, slot->copy);
}

static void take_sample(struct cpu_slot *slot, const struct unwind_table *table,
                        const ucontext_t *context, int overruns)
{
    struct arch_regs regs = arch_regs_interrupted(context);
    struct unwind_stack stack = find_stack(slot, regs.sp);
    struct ring_sample *sample = &slot->scratch;
    sample->label = slot->label == NULL ? 0 : *slot->label;
    sample->weight = 1 + (overruns > 0 ? (uint32_t)overruns : 0);
    sample->frame_count = (uint32_t)unwind_walk(table, &stack, regs, sample->frames,
                                                RING_FRAMES_MAX, &sample->is_complete);
    ring_push(&slot->ring, sample);
}

static void on_sigprof(int signum, siginfo_t *info, void *context)
{
    (void)signum;
    if (info->si_code != SI_TIMER) {
        return;
    }
    int saved_errno = errno;
    atomic_fetch_add(&running_count, 1);
    const struct unwind_table *table = atomic_load(&active_table);
    /* With no capture active the pointer in the signal may be some other timer's. */
    struct cpu_slot *slot = table == NULL ? NULL : info->si_value.sival_ptr;
    if (slot != NULL && atomic_load_explicit(&slot->is_armed, memory_order_acquire)) {
        uint64_t start_ns = now_ns();
        atomic_store_explicit(&slot->thread_pointer, (uintptr_t)__builtin_thread_pointer(),
                              memory_order_relaxed);
        take_sample(slot, table, context, info->si_overrun);
        atomic_fetch_add_explicit(&slot->handler_ns, now_ns() - start_ns, memory_order_relaxed);
    }
    atomic_fetch_sub(&running_count, 1);
    errno = saved_errno;
}

int cpu_signal_install(void)
{
    if (is_installed) {
        return 0;
    }
    own_pid = getpid();
    struct sigaction action = {.sa_sigaction = on_sigprof,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, NULL) != 0) {
        return -errno;
    }
    is_installed = true;
    return 0;
}

void cpu_signal_enable(const struct unwind_table *table)
{
    atomic_store(&active_table, table);
}

void cpu_signal_disable(void)
{
    atomic_store(&active_table, NULL);
}

bool cpu_signal_is_running(void)
{
    return atomic_load(&running_count) != 0;
}
