/* SPDX-License-Identifier: MIT
 *
 * failing_alloc.h - an allocator that fails on demand, for a source that a test includes:
 *
 *     #include "test/unit/support/failing_alloc.h"
 *     #define malloc failing_malloc
 *     #include "core/base/arena.c"
 *     #undef malloc
 *
 * A test fails the first allocation, then the second, and so on until none fails any more.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_FAILING_ALLOC_H
#define TOQ_TEST_UNIT_SUPPORT_FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static size_t allocation_count;            /* that succeeded */
static size_t allocations_left = SIZE_MAX; /* until they fail */

static inline bool is_allocation_granted(void)
{
    if (allocations_left == 0) {
        return false;
    }
    allocations_left--;
    allocation_count++;
    return true;
}

/* failing_malloc is malloc, or NULL when none is left. */
static inline void *failing_malloc(size_t size)
{
    return is_allocation_granted() ? malloc(size) : NULL;
}

/* failing_calloc is calloc, or NULL when none is left. */
static inline void *failing_calloc(size_t count, size_t size)
{
    return is_allocation_granted() ? calloc(count, size) : NULL;
}

/* failing_realloc is realloc, or NULL when none is left. */
static inline void *failing_realloc(void *old, size_t size)
{
    return is_allocation_granted() ? realloc(old, size) : NULL;
}

#endif
