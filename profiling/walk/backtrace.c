/* SPDX-License-Identifier: MIT
 *
 * backtrace.c - the calling thread's stack between its bounds.
 */
#include "profiling/walk/backtrace.h"

#include <string.h>

#include "profiling/walk/bounds.h"

#define COPY_BYTES 8192 /* of a coroutine's stack: a hook is called often */
#define OWN_BYTES  2048 /* below backtrace_take's frame: that of unwind_here */

/* A coroutine's stack is copied on the main thread alone: there is one copy. */
static struct unwind_stack find_stack(uint64_t sp)
{
    static uint64_t copy[COPY_BYTES / sizeof(uint64_t)];
    const struct unwind_stack stack = bounds_find(sp);
    const bool is_elsewhere = stack.low == stack.high;
    return is_elsewhere && bounds_is_main() ? bounds_copy(sp, copy, sizeof(copy)) : stack;
}

__attribute__((noinline)) size_t backtrace_take(uint64_t *ret_frames, size_t max,
                                                bool *ret_is_complete)
{
    *ret_is_complete = false;
    size_t count = 0;
    const bool is_ready = bounds_are_known();
    const struct unwind_table *table = is_ready ? unwind_enter() : NULL;
    if (table != NULL) {
        const struct unwind_stack stack =
            find_stack((uintptr_t)__builtin_frame_address(0) - OWN_BYTES);
        count = unwind_here(table, &stack, ret_frames, max, ret_is_complete);
        if (count > 0) { /* the first is in this function */
            count--;
            memmove(ret_frames, ret_frames + 1, count * sizeof(*ret_frames));
        }
    }
    if (is_ready) {
        unwind_exit();
    }
    return count;
}
