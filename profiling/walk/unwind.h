/* SPDX-License-Identifier: MIT
 *
 * unwind.h - from the registers of a thread to the addresses of its callers, in a signal handler:
 * a table search and at most three loads per frame, no lock, no allocation, no library call that
 * takes one.
 *
 * Thread: signal, unless a function says otherwise.
 */
#ifndef TOQ_PROFILING_WALK_UNWIND_H
#define TOQ_PROFILING_WALK_UNWIND_H

#include "profiling/walk/arch.h"
#include "profiling/walk/unwind_rows.h"

#define UNWIND_COPY_BYTES 16384 /* at most, of a stack whose bounds are unknown */

/* The stack memory that may be read: the word of address a, low <= a < high, lies at a + shift. */
struct unwind_stack {
    uint64_t low;
    uint64_t high;
    uint64_t shift; /* 0: the stack itself; else from the stack to a copy of it */
};

/* unwind_publish makes `table` the one that unwind_enter returns; NULL: none.
 *
 * Whoever took the one before may still use it: see unwind_is_used.
 * Thread: any, one at a time.
 */
void unwind_publish(const struct unwind_table *table);

/* unwind_enter takes the published table into use until unwind_exit. Every call is followed by one
 * of unwind_exit on the same thread, a few microseconds later.
 *
 * Returns: the table, or NULL when there is none.
 */
MUST_USE const struct unwind_table *unwind_enter(void);

/* unwind_exit ends what unwind_enter began. */
void unwind_exit(void);

/* unwind_is_used tells whether some thread is between unwind_enter and unwind_exit. Once it has
 * said no, nobody uses a table that was published before the last unwind_publish.
 *
 * Thread: any.
 */
bool unwind_is_used(void);

/* unwind_walk collects the stack of a thread from its registers.
 *
 * ret_frames: code addresses, the innermost first: regs.pc, then of each caller its return address
 * minus one, which lies in the call instruction. max: at least 1.
 * Returns: how many, at least 1; *ret_is_complete tells whether the last is the thread's start.
 */
size_t unwind_walk(const struct unwind_table *table, const struct unwind_stack *stack,
                   struct arch_regs regs, uint64_t *ret_frames, size_t max, bool *ret_is_complete);

/* unwind_here collects the stack of the calling thread, from the caller of unwind_here on; else as
 * unwind_walk, but it may find no frame.
 *
 * stack: the bounds of the calling thread's stack.
 */
size_t unwind_here(const struct unwind_table *table, const struct unwind_stack *stack,
                   uint64_t *ret_frames, size_t max, bool *ret_is_complete);

/* unwind_copy_stack copies up to `copy_bytes` of this process's memory from `sp` on, as far
 * as it is mapped; for stacks of which nothing is known.
 *
 * copy: aligned as uint64_t; lives as long as the result. copy_bytes: UNWIND_COPY_BYTES at most.
 * Returns: the bounds of what was copied; empty (low == high) when the kernel refused.
 */
struct unwind_stack unwind_copy_stack(int pid, uint64_t sp, void *copy, size_t copy_bytes);

#endif
