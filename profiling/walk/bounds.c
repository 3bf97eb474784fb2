/* SPDX-License-Identifier: MIT
 *
 * bounds.c - libc puts a thread's block of thread data at the top of the stack that it made, so
 * that block's address is the stack's upper bound; where the main thread's stack lies has been
 * told.
 */
#include "profiling/walk/bounds.h"

#include <unistd.h>

#define STACK_BYTES_MAX (UINT64_C(64) << 20) /* of a thread; what is further away is another's */

static uint64_t main_low;
static uint64_t main_high;
static uint64_t main_pointer; /* the main thread's block of thread data; 0: before bounds_init */
static int own_pid;

static uint64_t thread_pointer(void)
{
    return (uintptr_t)__builtin_thread_pointer();
}

void bounds_init(uint64_t low, uint64_t high)
{
    own_pid = getpid();
    main_pointer = thread_pointer();
    main_low = low;
    main_high = high;
}

bool bounds_are_known(void)
{
    return main_pointer != 0;
}

bool bounds_is_main(void)
{
    return thread_pointer() == main_pointer;
}

struct unwind_stack bounds_find(uint64_t sp)
{
    const uint64_t pointer = thread_pointer();
    const bool is_main = pointer == main_pointer;
    const uint64_t high = is_main ? main_high : pointer;
    const bool is_inside =
        sp < high && (is_main ? sp >= main_low : pointer - sp <= STACK_BYTES_MAX);
    return (struct unwind_stack){sp, is_inside ? high : sp, 0};
}

struct unwind_stack bounds_copy(uint64_t sp, void *copy, size_t copy_bytes)
{
    return unwind_copy_stack(own_pid, sp, copy, copy_bytes);
}
