/* SPDX-License-Identifier: MIT
 *
 * ticks_aarch64.h - the virtual counter of arm64; include core/base/ticks.h instead.
 *
 * Source: Arm Architecture Reference Manual, D13.8.28 (CNTVCT_EL0): Linux lets programs read it.
 */
#ifndef TOQ_CORE_BASE_TICKS_AARCH64_H
#define TOQ_CORE_BASE_TICKS_AARCH64_H

#include <stdint.h>

/* ticks_now reads the counter. Instructions around it may move by some nanoseconds. */
static inline uint64_t ticks_now(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

#endif
