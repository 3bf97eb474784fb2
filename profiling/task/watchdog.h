/* SPDX-License-Identifier: MIT
 *
 * watchdog.h - callbacks that hold the loop: a thread with a loop and a timer of its own looks how
 * long the main loop has not polled, and when that is too long it asks the main thread for its
 * stack, while the callback still runs.
 *
 * The delay is the whole time the loop was held, told by the loop itself. Stacks are taken at the
 * threshold and then after each further threshold, later less often. Each stands for the part of
 * the delay that is nearer to it than to the others; the contention counts for the first.
 *
 * Flow:    timer of the watchdog -> loop_held_ns -> thread_stack_take -> ... -> loop_on_stall ->
 *          delay to the stacks -> watchdog_add_stalls
 * Failure: a stall without a stack, because it was over too early or the thread did not answer, is
 *          counted under "not sampled"; what finds no room, under "other".
 * Memory:  WATCHDOG_STALLS_MAX stacks and WATCHDOG_TRACES_MAX spans, about 340 KiB.
 * Thread:  the loop.
 */
#ifndef TOQ_PROFILING_TASK_WATCHDOG_H
#define TOQ_PROFILING_TASK_WATCHDOG_H

#include "core/loop/loop.h"
#include "profiling/write/stacks.h"
#include "profiling/write/trace_filter.h"

#define WATCHDOG_STALLS_MAX  512 /* distinct stacks */
#define WATCHDOG_SAMPLES_MAX 64  /* of one stall */
#define WATCHDOG_FRAMES_MAX  64
#define WATCHDOG_TRACES_MAX  1024 /* parts of stalls whose spans are known, the last */

struct watchdog_stats {
    uint64_t stalls;    /* turns that held the loop for too long */
    uint64_t unsampled; /* of them, those whose stack is not known */
    uint64_t dropped;   /* stacks that found no room */
    uint64_t samples;   /* stacks taken while the loop was held */
    uint64_t failures;  /* stacks asked for in vain */
    uint64_t signal_ns; /* time the main thread spent giving its stack */
};

/* watchdog_start begins to watch; the loop's thread is the caller.
 *
 * threshold_ns: a turn that takes so long is a stall.
 * Returns: 0; UV_ENOMEM, or what making a thread says.
 */
MUST_USE int watchdog_start(struct loop *loop, uint64_t threshold_ns);

/* watchdog_stop waits for the thread to end and forgets the stalls; takes at most the time that a
 * stack is waited for. Harmless when it was not started. */
void watchdog_stop(void);

/* watchdog_mark counts the spans that stalls so far were of. Thread: any. */
uint64_t watchdog_mark(void);

/* watchdog_add_stalls adds all stalls so far: their number, and nanoseconds; of one trace, those
 * whose span is known.
 *
 * mark: of which spans are known, those since watchdog_mark was so.
 */
void watchdog_add_stalls(struct stacks *stacks, const struct trace_filter *traces, uint64_t mark);

/* watchdog_place_count is the number of distinct stacks. */
uint64_t watchdog_place_count(void);

/* watchdog_get_stats reads the account. */
struct watchdog_stats watchdog_get_stats(void);

#endif
