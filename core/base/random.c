/* SPDX-License-Identifier: MIT
 *
 * random.c - getrandom, and what stands in for it.
 */
#include "core/base/random.h"

#include <sys/random.h>

#include "core/base/clock.h"

uint64_t random_u64(void)
{
    uint64_t number;
    if (getrandom(&number, sizeof(number), GRND_NONBLOCK) == (ssize_t)sizeof(number)) {
        return number;
    }
    number = clock_wall_ns() ^ clock_now_ns() << 32 ^ (uintptr_t)&number;
    return number * UINT64_C(0x9e3779b97f4a7c15); /* Knuth's: the low bits reach the high ones */
}
