/* SPDX-License-Identifier: MIT
 *
 * crash_walk.c - finds the readable part of the stack page by page: the stack pointer of a thread
 * whose stack has overflowed is in the page below it.
 */
#include "profiling/walk/crash_walk.h"

#include <sys/uio.h>
#include <unistd.h>

#include "profiling/walk/bounds.h"

#define PAGE_BYTES    UINT64_C(4096)
#define MISSING_PAGES 1024 /* below the stack, at most: a frame of 4 MiB */

static bool is_readable(uint64_t address)
{
    char byte;
    struct iovec local = {&byte, 1};
    struct iovec remote = {(void *)(uintptr_t)address, 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
}

/* find_mapped finds the first address from sp on that can be read; 0: none is near. */
static uint64_t find_mapped(uint64_t sp)
{
    for (int i = 0; i < MISSING_PAGES; i++) {
        if (is_readable(sp)) {
            return sp;
        }
        sp = (sp | (PAGE_BYTES - 1)) + 1;
    }
    return 0;
}

static struct unwind_stack find_stack(uint64_t sp)
{
    static uint64_t copy[UNWIND_COPY_BYTES / sizeof(uint64_t)];
    const uint64_t low = find_mapped(sp);
    const struct unwind_stack stack = bounds_find(low);
    return stack.low < stack.high ? stack : bounds_copy(low, copy, sizeof(copy));
}

size_t crash_walk(struct arch_regs regs, uint64_t *ret_frames, size_t max)
{
    const struct unwind_table *table = bounds_are_known() ? unwind_enter() : NULL;
    if (table == NULL) {
        return 0;
    }
    const struct unwind_stack stack = find_stack(regs.sp);
    bool is_complete;
    return unwind_walk(table, &stack, regs, ret_frames, max, &is_complete);
}
