/* SPDX-License-Identifier: MIT
 *
 * heap_known.h - the values that were reported for a stack before. Scrapers identify a sample by
 * its stack and labels and subtract its last values: so the label with the average object size
 * never changes, and the allocated bytes never decrease, though both are estimates.
 *
 * Memory: at most HEAP_KNOWN_MAX stacks of 32 bytes, kept until the process ends.
 * Thread: one at a time.
 */
#ifndef TOQ_PROFILING_HEAP_HEAP_KNOWN_H
#define TOQ_PROFILING_HEAP_HEAP_KNOWN_H

#include "profiling/heap/heap_dump.h"

#define HEAP_KNOWN_MAX (1u << 16) /* as many as a profile has samples */

/* heap_known_size is the size of an object that a stack allocates: the average when it was first
 * seen.
 *
 * Returns: 0 when the stack is none of the first HEAP_KNOWN_MAX, or memory is missing.
 */
int64_t heap_known_size(const struct heap_dump_stack *stack);

/* heap_known_raise is what a stack has allocated: `estimate`, but no less than the last time. */
struct heap_amount heap_known_raise(const struct heap_dump_stack *stack,
                                    struct heap_amount estimate);

#endif
