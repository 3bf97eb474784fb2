/* SPDX-License-Identifier: MIT
 *
 * backtrace.c - the bounds of the calling thread's stack, and the walk between them.
 *
 * libc puts a thread's block of thread data at the top of the stack that it made, so that block's
 * address is the stack's upper bound; the main thread's stack is known from /proc/self/maps.
 */
#include "profiling/walk/backtrace.h"

#include <unistd.h>

#include "profiling/code/maps.h"
#include "profiling/walk/unwind.h"

#define STACK_BYTES_MAX (UINT64_C(64) << 20) /* of a thread; what is further away is another's */
#define COPY_BYTES      8192                 /* of a coroutine's stack: a hook is called often */
#define OWN_BYTES       2048                 /* below backtrace_take's frame: that of unwind_here */

static uint64_t main_low;
static uint64_t main_high;
static uint64_t main_pointer; /* the main thread's block of thread data; 0: before backtrace_init */
static int own_pid;

static uint64_t thread_pointer(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

void backtrace_init(void)
{
    own_pid = getpid();
    main_pointer = thread_pointer();
    if (!maps_find_main_stack(&main_low, &main_high)) {
        main_low = main_high = 0; /* every walk of the main thread then goes through a copy */
    }
}

static struct unwind_stack find_stack(uint64_t sp)
{
    static uint64_t copy[COPY_BYTES / sizeof(uint64_t)]; /* the main thread's */
    const uint64_t pointer = thread_pointer();
    if (pointer != main_pointer) {
        const bool is_own = sp < pointer && pointer - sp <= STACK_BYTES_MAX;
        return (struct unwind_stack){sp, is_own ? pointer : sp, 0};
    }
    if (sp >= main_low && sp < main_high) {
        return (struct unwind_stack){sp, main_high, 0};
    }
    return unwind_copy_stack(own_pid, sp, copy, sizeof(copy));
}

__attribute__((noinline)) size_t backtrace_take(uint64_t *ret_frames, size_t max,
                                                bool *ret_is_complete)
{
    *ret_is_complete = false;
    size_t count = 0;
    const struct unwind_table *table = main_pointer == 0 ? NULL : unwind_enter();
    if (table != NULL) {
        const struct unwind_stack stack =
            find_stack((uintptr_t)__builtin_frame_address(0) - OWN_BYTES);
        count = unwind_here(table, &stack, ret_frames, max, ret_is_complete);
        if (count > 0) { /* the first is in this function */
            count--;
            memmove(ret_frames, ret_frames + 1, count * sizeof(*ret_frames));
        }
    }
    if (main_pointer != 0) {
        unwind_exit();
    }
    return count;
}
