/* SPDX-License-Identifier: MIT
 *
 * random.h - numbers that differ from process to process, for jitter and ids; no secrets.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_RANDOM_H
#define TOQ_CORE_BASE_RANDOM_H

#include "core/base/base.h"

/* random_u64 is a number at random. It never waits: while a machine that boots has no entropy yet,
 * the clocks and the layout of the address space stand in. */
uint64_t random_u64(void);

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
