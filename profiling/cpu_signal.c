/* SPDX-License-Identifier: MIT
 *
 * cpu_signal.c - the handler and the switch that turns it on.
 */
#include "profiling/cpu_signal.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "profiling/thread_signal.h"

static atomic_bool is_enabled;
static _Atomic(struct cpu_slot *) slots[CPU_SLOTS_MAX];
static uint32_t slot_count;
static uint32_t key; /* in the upper half of what our timers' signals carry */
static uint32_t (*_Atomic read_label)(void); /* atomic: a signal may come as soon as it is set */
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
    return unwind_copy_stack(own_pid, sp, slot->copy, sizeof(slot->copy));
}

static void take_sample(struct cpu_slot *slot, const struct unwind_table *table,
                        const ucontext_t *context, int overruns)
{
    struct arch_regs regs = arch_regs_interrupted(context);
    struct unwind_stack stack = find_stack(slot, regs.sp);
    struct ring_sample *sample = &slot->scratch;
    sample->label = atomic_load(&read_label)();
    sample->weight = 1 + (overruns > 0 ? (uint32_t)overruns : 0);
    sample->period_ns = atomic_load_explicit(&slot->period_ns, memory_order_relaxed);
    sample->frame_count = (uint32_t)unwind_walk(table, &stack, regs, sample->frames,
                                                RING_FRAMES_MAX, &sample->is_complete);
    ring_push(&slot->ring, sample);
}

/* The slot whose timer sent the signal; NULL for a timer of somebody else. */
static struct cpu_slot *find_slot(union sigval value)
{
    const uint64_t carried = (uintptr_t)value.sival_ptr;
    const uint32_t number = (uint32_t)carried;
    return carried >> 32 == key && number < CPU_SLOTS_MAX
               ? atomic_load_explicit(&slots[number], memory_order_acquire)
               : NULL;
}

static void on_timer(const siginfo_t *info, const struct unwind_table *table,
                     const ucontext_t *context)
{
    struct cpu_slot *slot =
        table == NULL || !atomic_load(&is_enabled) ? NULL : find_slot(info->si_value);
    if (slot != NULL && atomic_load_explicit(&slot->is_armed, memory_order_acquire)) {
        uint64_t start_ns = now_ns();
        atomic_store_explicit(&slot->thread_pointer, (uintptr_t)__builtin_thread_pointer(),
                              memory_order_relaxed);
        take_sample(slot, table, context, info->si_overrun);
        atomic_fetch_add_explicit(&slot->handler_ns, now_ns() - start_ns, memory_order_relaxed);
    }
}

static void on_sigprof(int signum, siginfo_t *info, void *context)
{
    (void)signum;
    int saved_errno = errno;
    const struct unwind_table *table = unwind_enter();
    if (info->si_code == SI_TIMER) {
        on_timer(info, table, context);
    }
    thread_signal_answer(table, context, atomic_load(&read_label)());
    unwind_exit();
    errno = saved_errno;
}

int cpu_signal_install(uint32_t (*label_fn)(void), uint32_t slot_key)
{
    read_label = label_fn;
    if (is_installed) {
        return 0;
    }
    own_pid = getpid();
    key = slot_key;
    struct sigaction action = {.sa_sigaction = on_sigprof,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, NULL) != 0) {
        return -errno;
    }
    is_installed = true;
    return 0;
}

bool cpu_signal_add_slot(struct cpu_slot *slot)
{
    if (slot_count == CPU_SLOTS_MAX) {
        return false;
    }
    slot->number = slot_count++;
    atomic_store_explicit(&slots[slot->number], slot, memory_order_release);
    return true;
}

union sigval cpu_signal_value(const struct cpu_slot *slot)
{
    const uint64_t carried = (uint64_t)key << 32 | slot->number;
    return (union sigval){.sival_ptr = (void *)(uintptr_t)carried};
}

void cpu_signal_enable(bool is_on)
{
    atomic_store(&is_enabled, is_on);
}
