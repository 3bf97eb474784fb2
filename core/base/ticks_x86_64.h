/* SPDX-License-Identifier: MIT
 *
 * ticks_x86_64.h - the time-stamp counter of x86-64; include core/base/ticks.h instead.
 *
 * Source: Intel SDM volume 3, 18.17: invariant on every processor since 2008.
 */
#ifndef TOQ_CORE_BASE_TICKS_X86_64_H
#define TOQ_CORE_BASE_TICKS_X86_64_H

#include <stdint.h>

/* ticks_now reads the counter. Instructions around it may move by some nanoseconds. */
static inline uint64_t ticks_now(void)
{
    return __builtin_ia32_rdtsc();
}

#endif
