/* SPDX-License-Identifier: MIT
 *
 * arena_rig.h - an arena for a test, or a group of tests: new in set_up_arena, gone in
 * tear_down_arena.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_ARENA_RIG_H
#define TOQ_TEST_UNIT_SUPPORT_ARENA_RIG_H

#include "core/base/arena.h"

static struct arena arena;

static inline int set_up_arena(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static inline int tear_down_arena(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

#endif
