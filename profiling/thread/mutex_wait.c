/* SPDX-License-Identifier: MIT
 *
 * mutex_wait.c - a hash table of waiters, by the mutex that they wait for.
 *
 * A place is written by its waiter and by the thread that unlocks the mutex. A waiter leaves only
 * when it has the mutex, so the two never write at the same time, except where the program misuses
 * the mutex: therefore all fields are atomic, and the worst that can happen is a wrong charge.
 */
#include "profiling/thread/mutex_wait.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/walk/backtrace.h"

#define PROBES_MAX 256 /* places for the waiters of one home */
#define OWN_FRAMES 6   /* of the hook, in front of the caller's */

struct mutex_waiter {
    _Atomic(const void *) mutex;                /* NULL: free */
    _Atomic uint64_t since_ns;                  /* what was waited before that is charged */
    _Atomic(struct contention_record *) record; /* of the last unlock that it saw */
};

_Atomic uint32_t mutex_wait_fraction;
struct mutex_home mutex_wait_homes[MUTEX_WAITERS_MAX];

static struct mutex_waiter waiters[MUTEX_WAITERS_MAX];
static struct contention records;

/* What a waiter's record is beside real ones. */
static struct contention_record unseen;  /* it saw no unlock yet */
static struct contention_record dropped; /* the last one was not recorded */

/* What a waiter's mutex is while the rest of its place is written. */
static const char taken;

static struct {
    _Atomic uint64_t events;
    _Atomic uint64_t lost;
    _Atomic uint64_t failures;
    _Atomic uint64_t truncated;
    _Atomic uint64_t hook_ns;
} stats;

static void count(_Atomic uint64_t *number, uint64_t more)
{
    atomic_fetch_add_explicit(number, more, memory_order_relaxed);
}

static struct mutex_waiter *place_at(size_t home, size_t distance)
{
    return &waiters[(home + distance) % MUTEX_WAITERS_MAX];
}

void mutex_wait_set_fraction(uint32_t fraction)
{
    atomic_store_explicit(&mutex_wait_fraction, fraction, memory_order_relaxed);
}

/* --- the waiter --- */

static bool take_place(struct mutex_waiter *place)
{
    const void *held = NULL;
    return atomic_load_explicit(&place->mutex, memory_order_relaxed) == NULL &&
           atomic_compare_exchange_strong(&place->mutex, &held, &taken);
}

static void extend_reach(struct mutex_home *home, uint32_t reach)
{
    uint32_t known = atomic_load_explicit(&home->reach, memory_order_relaxed);
    while (known < reach && !atomic_compare_exchange_weak(&home->reach, &known, reach)) {
    }
}

struct mutex_waiter *mutex_wait_begin(const void *mutex)
{
    const size_t home = mutex_wait_home(mutex);
    for (uint32_t i = 0; i < PROBES_MAX; i++) {
        struct mutex_waiter *place = place_at(home, i);
        if (take_place(place)) {
            atomic_store_explicit(&place->record, &unseen, memory_order_relaxed);
            atomic_store_explicit(&place->since_ns, clock_now_ns(), memory_order_relaxed);
            atomic_store_explicit(&place->mutex, mutex, memory_order_release);
            extend_reach(&mutex_wait_homes[home], i + 1);
            atomic_fetch_add(&mutex_wait_homes[home].waiters, 1);
            return place;
        }
    }
    count(&stats.lost, 1);
    return NULL;
}

/* The weight of what is recorded now; recording may just have been turned off. */
static uint64_t weight(void)
{
    const uint32_t fraction = atomic_load_explicit(&mutex_wait_fraction, memory_order_relaxed);
    return fraction == 0 ? 1 : fraction;
}

void mutex_wait_end(struct mutex_waiter *waiter)
{
    if (waiter == NULL) {
        return;
    }
    struct contention_record *record = atomic_load_explicit(&waiter->record, memory_order_relaxed);
    const uint64_t since_ns = atomic_load_explicit(&waiter->since_ns, memory_order_relaxed);
    const size_t home = mutex_wait_home(atomic_load_explicit(&waiter->mutex, memory_order_relaxed));
    atomic_store_explicit(&waiter->mutex, NULL, memory_order_release);
    atomic_fetch_sub(&mutex_wait_homes[home].waiters, 1);
    const uint64_t waited_ns = clock_now_ns() - since_ns;
    if (record == &unseen) {
        count(&stats.lost, waited_ns >= MUTEX_UNSEEN_NS ? 1 : 0);
    } else if (record != &dropped) {
        contention_add(record, 0, waited_ns * weight());
    }
}

/* --- the unlocker --- */

/* claim takes over what the waiters for a mutex have waited up to now.
 *
 * Returns: true with *ret_delay_ns set when there are any.
 */
static bool claim(const void *mutex, uint64_t now_ns, uint64_t *ret_delay_ns)
{
    const size_t home = mutex_wait_home(mutex);
    const uint32_t reach =
        atomic_load_explicit(&mutex_wait_homes[home].reach, memory_order_relaxed);
    uint64_t delay_ns = 0;
    bool is_any = false;
    for (uint32_t i = 0; i < reach; i++) {
        struct mutex_waiter *place = place_at(home, i);
        if (atomic_load_explicit(&place->mutex, memory_order_acquire) != mutex) {
            continue;
        }
        is_any = true;
        uint64_t since_ns = atomic_load_explicit(&place->since_ns, memory_order_relaxed);
        if (since_ns < now_ns &&
            atomic_compare_exchange_strong(&place->since_ns, &since_ns, now_ns)) {
            delay_ns += now_ns - since_ns;
        }
    }
    *ret_delay_ns = delay_ns;
    return is_any;
}

/* leave_record tells the waiters for a mutex whom the rest of their waiting is charged to; those
 * that came since the claim, too. */
static void leave_record(const void *mutex, struct contention_record *record)
{
    const size_t home = mutex_wait_home(mutex);
    const uint32_t reach =
        atomic_load_explicit(&mutex_wait_homes[home].reach, memory_order_relaxed);
    for (uint32_t i = 0; i < reach; i++) {
        struct mutex_waiter *place = place_at(home, i);
        if (atomic_load_explicit(&place->mutex, memory_order_acquire) == mutex) {
            atomic_store_explicit(&place->record, record, memory_order_relaxed);
        }
    }
}

/* is_chosen tells whether this contention is one of those that are recorded: the nanosecond in
 * which it ended is as good as a random number once it is mixed. */
static bool is_chosen(const void *mutex, uint64_t now_ns)
{
    return lookup_mix(now_ns, (uintptr_t)mutex) % weight() == 0;
}

/* find_record is the record of the calling thread's stack, from `caller` on. */
static struct contention_record *find_record(uint64_t caller)
{
    uint64_t frames[OWN_FRAMES + CONTENTION_FRAMES_MAX];
    bool is_complete;
    const size_t depth = backtrace_take(frames, ARRAY_COUNT(frames), &is_complete);
    size_t first = 0;
    while (first < depth && frames[first] != caller) {
        first++;
    }
    size_t left = depth - first;
    if (left == 0) {
        count(&stats.failures, 1);
        frames[0] = caller;
        first = 0;
        left = 1;
    } else if (!is_complete) {
        count(&stats.truncated, 1);
    }
    left = left < CONTENTION_FRAMES_MAX ? left : CONTENTION_FRAMES_MAX;
    struct contention_record *record =
        contention_find(&records, &frames[first], left, task_current_label());
    return record == NULL ? &dropped : record;
}

void mutex_wait_release(const void *mutex, uint64_t caller)
{
    const int saved_errno = errno;
    const uint64_t now_ns = clock_now_ns();
    uint64_t delay_ns;
    if (claim(mutex, now_ns, &delay_ns)) {
        struct contention_record *record =
            is_chosen(mutex, now_ns) ? find_record(caller) : &dropped;
        if (record != &dropped) {
            contention_add(record, weight(), delay_ns * weight());
        }
        leave_record(mutex, record);
        count(&stats.events, 1);
        count(&stats.hook_ns, clock_now_ns() - now_ns);
    }
    errno = saved_errno;
}

const struct contention *mutex_wait_records(void)
{
    return &records;
}

struct mutex_stats mutex_wait_get_stats(void)
{
    return (struct mutex_stats){
        .events = atomic_load_explicit(&stats.events, memory_order_relaxed),
        .lost = atomic_load_explicit(&stats.lost, memory_order_relaxed) +
                atomic_load_explicit(&records.overflows, memory_order_relaxed),
        .failures = atomic_load_explicit(&stats.failures, memory_order_relaxed),
        .truncated = atomic_load_explicit(&stats.truncated, memory_order_relaxed),
        .hook_ns = atomic_load_explicit(&stats.hook_ns, memory_order_relaxed),
    };
}
