/* SPDX-License-Identifier: MIT
 *
 * thread_signal.c - answers a request for the thread's stack in the signal handler.
 */
#include "profiling/walk/thread_signal.h"

#include <time.h>
#include <unistd.h>

#include "profiling/walk/bounds.h"

struct thread_signal thread_signal;

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static struct unwind_stack find_stack(uint64_t sp)
{
    const struct unwind_stack stack = bounds_find(sp);
    const bool is_elsewhere = stack.low == stack.high;
    return is_elsewhere ? bounds_copy(sp, thread_signal.copy, sizeof(thread_signal.copy)) : stack;
}

static void take(struct thread_stack *stack, const struct unwind_table *table,
                 const ucontext_t *context)
{
    const struct arch_regs regs = arch_regs_interrupted(context);
    const struct unwind_stack bounds = find_stack(regs.sp);
    stack->frame_count = (uint32_t)unwind_walk(table, &bounds, regs, stack->frames,
                                               THREAD_STACK_FRAMES_MAX, &stack->is_complete);
}

/* begin_answer takes the question to the calling thread: nobody else answers it, and the asker
 * waits.
 *
 * Returns: false when it is not asked. */
static bool begin_answer(uint64_t *ret_number)
{
    uint_fast64_t state = atomic_load(&thread_signal.state);
    if (state % THREAD_SIGNAL_PHASES != THREAD_SIGNAL_ASKED ||
        atomic_load(&thread_signal.tid) != gettid()) {
        return false;
    }
    *ret_number = state / THREAD_SIGNAL_PHASES;
    return atomic_compare_exchange_strong(
        &thread_signal.state, &state, *ret_number * THREAD_SIGNAL_PHASES + THREAD_SIGNAL_ANSWERING);
}

void thread_signal_answer(const struct unwind_table *table, const ucontext_t *context,
                          ring_owner_fn read_owner)
{
    uint64_t number;
    if (!begin_answer(&number)) {
        return;
    }
    const uint64_t start_ns = now_ns();
    struct thread_stack *stack = &thread_signal.stack;
    read_owner(&stack->owner);
    stack->frame_count = 0;
    stack->is_complete = false;
    if (table != NULL) {
        take(stack, table, context);
    }
    stack->handler_ns = now_ns() - start_ns;
    atomic_store(&thread_signal.state, number * THREAD_SIGNAL_PHASES + THREAD_SIGNAL_ANSWERED);
    (void)sem_post(&thread_signal.answered);
}
