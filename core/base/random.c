/* SPDX-License-Identifier: MIT
 *
 * random.c - splitmix64 (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators,
 * 2014) from a place that the kernel gives once. Its state is one counter, so that threads draw
 * without a lock.
 */
#include "core/base/random.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "core/base/clock.h"

static uint64_t draw_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed)) {
        return seed;
    }
    return random_mix(clock_wall_ns() ^ clock_now_ns() << 32 ^ (uintptr_t)&seed);
}

/* seed_once gives `state` a value that is not 0, unless it has one. Returns: its value. */
static __attribute__((noinline, cold)) uint64_t seed_once(_Atomic uint64_t *state)
{
    uint64_t none = 0;
    (void)atomic_compare_exchange_strong(state, &none, draw_seed() | 1);
    return atomic_load_explicit(state, memory_order_relaxed);
}

uint64_t random_u64(void)
{
    static _Atomic uint64_t counter;
    if (UNLIKELY(atomic_load_explicit(&counter, memory_order_relaxed) == 0)) {
        (void)seed_once(&counter);
    }
    return random_mix(atomic_fetch_add_explicit(&counter, RANDOM_STEP, memory_order_relaxed));
}

uint64_t random_at(uint64_t place)
{
    static _Atomic uint64_t origin;
    uint64_t from = atomic_load_explicit(&origin, memory_order_relaxed);
    if (UNLIKELY(from == 0)) {
        from = seed_once(&origin);
    }
    return random_mix(from + place * RANDOM_STEP);
}
