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

uint64_t random_u64(void)
{
    static _Atomic uint64_t counter;
    uint64_t before = atomic_load_explicit(&counter, memory_order_relaxed);
    if (UNLIKELY(before == 0)) {
        (void)atomic_compare_exchange_strong(&counter, &before, draw_seed() | 1);
    }
    return random_mix(atomic_fetch_add_explicit(&counter, RANDOM_STEP, memory_order_relaxed));
}
