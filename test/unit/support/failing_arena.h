/* SPDX-License-Identifier: MIT
 *
 * failing_arena.h - an arena that fails on demand, for a source that a test includes; used like and
 * with failing_alloc.h, whose count it takes from.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_FAILING_ARENA_H
#define TOQ_TEST_UNIT_SUPPORT_FAILING_ARENA_H

#include "core/base/arena.h"
#include "test/unit/support/failing_alloc.h"

/* failing_arena_alloc is arena_alloc, or NULL when no allocation is left. */
static inline void *failing_arena_alloc(struct arena *a, size_t size)
{
    return is_allocation_granted() ? arena_alloc(a, size) : NULL;
}

/* failing_arena_copy is arena_copy, or false when no allocation is left. */
static inline bool failing_arena_copy(struct arena *a, struct str s, struct str *ret_copy)
{
    return is_allocation_granted() && arena_copy(a, s, ret_copy);
}

#endif
