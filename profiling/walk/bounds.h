/* SPDX-License-Identifier: MIT
 *
 * bounds.h - the bounds within which the calling thread's stack may be read.
 *
 * Thread: any, signal, unless a function says otherwise.
 */
#ifndef TOQ_PROFILING_WALK_BOUNDS_H
#define TOQ_PROFILING_WALK_BOUNDS_H

#include "profiling/walk/unwind.h"

/* bounds_init says between which addresses the main thread's stack can grow; once or again.
 *
 * low, high: 0 both: unknown, and the main thread's stack is walked in a copy.
 * Thread:    main.
 */
void bounds_init(uint64_t low, uint64_t high);

/* bounds_are_known tells whether bounds_init has run. */
bool bounds_are_known(void);

/* bounds_is_main tells whether the calling thread is the one that ran bounds_init. */
bool bounds_is_main(void);

/* bounds_find finds the stack that libc or the kernel made for the calling thread.
 *
 * Returns: from `sp` to the stack's end; empty (low == high) when sp lies elsewhere, as on a
 *          coroutine's stack.
 */
struct unwind_stack bounds_find(uint64_t sp);

/* bounds_copy is unwind_copy_stack for the process that ran bounds_init. */
struct unwind_stack bounds_copy(uint64_t sp, void *copy, size_t copy_bytes);

#endif
