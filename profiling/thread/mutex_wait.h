/* SPDX-License-Identifier: MIT
 *
 * mutex_wait.h - the threads that wait for mutexes, since when, and the wait time that is charged
 * to the thread that unlocks.
 *
 * Every nanosecond of a wait is charged once, to one unlocker: an unlock is charged with what each
 * waiter has waited since it came or since the last unlock of this mutex, whichever is later; and
 * the last unlock before a waiter gets the mutex also with the time until it has it. So the sum
 * over all unlocks is the time that was waited. An unlock with waiters counts as one contention,
 * however many there are.
 *
 * Flow:    trylock fails -> mutex_wait_begin -> lock -> mutex_wait_end; before each unlock
 *          mutex_wait_is_any -> mutex_wait_release
 * Failure: a waiter for whom there is no place, and one that saw no unlock for MUTEX_UNSEEN_NS and
 *          longer (it was not ours to see, or had looked for waiters just before), is counted as
 *          lost. One that saw none for less than that came in the last instant and had the mutex
 *          without sleeping, or nearly so: it is neither lost nor charged to anybody.
 * Memory:  fixed: MUTEX_WAITERS_MAX waiters and a struct contention.
 * Thread:  any, inside malloc too: no lock, no allocation, no waiting, and errno is kept.
 */
#ifndef TOQ_PROFILING_THREAD_MUTEX_WAIT_H
#define TOQ_PROFILING_THREAD_MUTEX_WAIT_H

#include <stdatomic.h>

#include "profiling/thread/contention.h"

#define MUTEX_WAITERS_BITS 10
#define MUTEX_WAITERS_MAX  (1u << MUTEX_WAITERS_BITS) /* threads that wait at a time */

/* Whoever had to sleep for a mutex has waited for two switches between threads, of 1.8 us each on
 * one processor and 23 us between two, by futex on the machine where it was measured; whoever had
 * not, and saw no unlock, for 0.04 to 1.4 us. */
#define MUTEX_UNSEEN_NS 5000

struct mutex_stats {
    uint64_t events; /* unlocks that somebody waited for */
    uint64_t lost; /* waiters that nobody was charged for, and stacks for which there was no room */
    uint64_t
        failures; /* stacks that could not be walked: the caller of the unlock alone is known */
    uint64_t truncated; /* other stacks that ended before the thread's start */
    uint64_t hook_ns;   /* time that unlockers spent on it */
};

struct mutex_waiter;

/* What the waiters for mutexes of one hash have in common. */
struct mutex_home {
    _Atomic uint32_t waiters; /* now */
    _Atomic uint32_t reach;   /* places from here on that they ever took */
};

/* For the inline functions below. */
extern _Atomic uint32_t mutex_wait_fraction;
extern struct mutex_home mutex_wait_homes[MUTEX_WAITERS_MAX];

/* mutex_wait_is_on tells whether contention is recorded. */
static inline bool mutex_wait_is_on(void)
{
    return atomic_load_explicit(&mutex_wait_fraction, memory_order_relaxed) != 0;
}

/* mutex_wait_home is where the waiters for a mutex are counted; others share it. */
static inline size_t mutex_wait_home(const void *mutex)
{
    /* Fibonacci hashing: the high bits of the product depend on all bits of the address */
    return ((uintptr_t)mutex * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - MUTEX_WAITERS_BITS);
}

/* mutex_wait_is_any tells whether somebody may wait for a mutex. */
static inline bool mutex_wait_is_any(const void *mutex)
{
    const struct mutex_home *home = &mutex_wait_homes[mutex_wait_home(mutex)];
    return atomic_load_explicit(&home->waiters, memory_order_relaxed) != 0;
}

/* mutex_wait_set_fraction records, on average, one in `fraction` contentions from now on, and
 * counts it `fraction` times; 0: none. */
void mutex_wait_set_fraction(uint32_t fraction);

/* mutex_wait_begin says that the calling thread waits for a mutex from now on.
 *
 * Returns: what mutex_wait_end takes; NULL when there is no place.
 */
struct mutex_waiter *mutex_wait_begin(const void *mutex);

/* mutex_wait_end says that it has the mutex now, or has failed; takes NULL. */
void mutex_wait_end(struct mutex_waiter *waiter);

/* mutex_wait_release charges the calling thread, which is about to unlock a mutex, with what
 * others have waited for it.
 *
 * caller: the address in the call that lets go; the stack is recorded from there on.
 */
void mutex_wait_release(const void *mutex, uint64_t caller);

/* mutex_wait_records is what has been recorded since the process began. */
const struct contention *mutex_wait_records(void);

/* mutex_wait_get_stats reads the account. */
struct mutex_stats mutex_wait_get_stats(void);

#endif
