/* SPDX-License-Identifier: MIT
 *
 * cpu_signal.c - the SIGPROF handler, and its switch.
 */
#include "profiling/walk/cpu_signal.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "profiling/walk/thread_signal.h"

static atomic_bool is_enabled;
static _Atomic(struct cpu_slot *) slots[CPU_SLOTS_MAX];
static atomic_uint_least32_t slot_count;
static uint32_t key;                      /* in the upper half of what our timers' signals carry */
static _Atomic(ring_owner_fn) read_owner; /* atomic: a signal may come once it is set */
static int own_pid;
static bool is_installed;

static uint64_t read_clock(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
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
                        const ucontext_t *context, uint32_t weight)
{
    const uint64_t start_ns = read_clock(CLOCK_MONOTONIC);
    atomic_store_explicit(&slot->thread_pointer, (uintptr_t)__builtin_thread_pointer(),
                          memory_order_relaxed);
    struct arch_regs regs = arch_regs_interrupted(context);
    struct unwind_stack stack = find_stack(slot, regs.sp);
    struct ring_sample *sample = &slot->scratch;
    sample->taken_ns = start_ns;
    atomic_load (&read_owner)(&sample->owner);
    sample->weight = weight;
    sample->period_ns = atomic_load_explicit(&slot->period_ns, memory_order_relaxed);
    sample->frame_count = (uint32_t)unwind_walk(table, &stack, regs, sample->frames,
                                                RING_FRAMES_MAX, &sample->is_complete);
    ring_push(&slot->ring, sample);
    atomic_fetch_add_explicit(&slot->handler_ns, read_clock(CLOCK_MONOTONIC) - start_ns,
                              memory_order_relaxed);
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

/* The slot of the calling thread, or NULL. */
static struct cpu_slot *find_own_slot(void)
{
    const int tid = gettid();
    const uint32_t count = atomic_load_explicit(&slot_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct cpu_slot *slot = atomic_load_explicit(&slots[i], memory_order_acquire);
        if (atomic_load_explicit(&slot->tid, memory_order_relaxed) == tid) {
            return slot;
        }
    }
    return NULL;
}

uint32_t cpu_signal_take_periods(struct cpu_slot *slot, uint64_t cpu_ns)
{
    uint_fast64_t sampled_ns = atomic_load(&slot->sampled_ns);
    const int64_t used_ns = (int64_t)(cpu_ns - sampled_ns);
    const uint64_t period_ns = atomic_load_explicit(&slot->period_ns, memory_order_relaxed);
    const uint64_t periods = used_ns > 0 ? (uint64_t)used_ns / period_ns : 0;
    const bool is_taken = atomic_compare_exchange_strong(&slot->sampled_ns, &sampled_ns,
                                                         sampled_ns + periods * period_ns);
    return is_taken ? (uint32_t)periods : 0;
}

static bool is_sampled(const struct cpu_slot *slot)
{
    return slot != NULL && atomic_load(&is_enabled) &&
           atomic_load_explicit(&slot->is_armed, memory_order_acquire);
}

static void on_timer(const siginfo_t *info, const struct unwind_table *table,
                     const ucontext_t *context)
{
    struct cpu_slot *slot = find_slot(info->si_value);
    if (is_sampled(slot)) {
        const uint32_t overruns = info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0;
        take_sample(slot, table, context, 1 + overruns);
    }
}

/* The timer says only that the process used a period: how much of it this thread did, its clock. */
static void on_itimer(const struct unwind_table *table, const ucontext_t *context)
{
    struct cpu_slot *slot = find_own_slot();
    if (!is_sampled(slot) || !atomic_load_explicit(&slot->uses_itimer, memory_order_acquire)) {
        return;
    }
    const uint32_t periods = cpu_signal_take_periods(slot, read_clock(CLOCK_THREAD_CPUTIME_ID));
    if (periods > 0) {
        take_sample(slot, table, context, periods);
    }
}

static void on_sigprof(int signum, siginfo_t *info, void *context)
{
    (void)signum;
    int saved_errno = errno;
    const struct unwind_table *table = unwind_enter();
    if (table != NULL && info->si_code == SI_TIMER) {
        on_timer(info, table, context);
    } else if (table != NULL && info->si_code == SI_KERNEL) {
        on_itimer(table, context);
    }
    thread_signal_answer(table, context, atomic_load(&read_owner));
    unwind_exit();
    errno = saved_errno;
}

int cpu_signal_install(ring_owner_fn owner_fn, uint32_t slot_key)
{
    read_owner = owner_fn;
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
    const uint32_t count = atomic_load(&slot_count);
    if (count == CPU_SLOTS_MAX) {
        return false;
    }
    slot->number = count;
    atomic_store_explicit(&slots[count], slot, memory_order_release);
    atomic_store_explicit(&slot_count, count + 1, memory_order_release);
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
