/* SPDX-License-Identifier: MIT
 *
 * random.h - numbers that differ from process to process, for jitter and ids; no secrets.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_RANDOM_H
#define TOQ_CORE_BASE_RANDOM_H

#include "core/base/base.h"

#define RANDOM_STEP UINT64_C(0x9E3779B97F4A7C15) /* of splitmix64: the golden ratio's */

/* random_u64 is a number at random, without a system call but for the first. It never waits: while
 * a machine that boots has no entropy yet, the clocks and the layout of the address space stand in.
 */
uint64_t random_u64(void);

/* random_at is the number at a place of a sequence that differs from process to process: the same
 * each time for the same place, so that nobody has to keep it. Whoever has seen some may foretell
 * others. */
uint64_t random_at(uint64_t place);

/* random_mix is the finalizer of splitmix64: each number gives another one, which looks at random.
 */
static inline uint64_t random_mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94D049BB133111EB);
    return number ^ (number >> 31);
}

/* random_u16 is the same with 16 bits. */
static inline uint16_t random_u16(void)
{
    return (uint16_t)(random_u64() >> 48);
}

/* random_below is a number at random below `limit`; 0 for 0. All jitter is made of it. */
static inline uint64_t random_below(uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)random_u64() * limit) >> 64);
}

#endif
