/* SPDX-License-Identifier: MIT
 *
 * backtrace.h - the calling thread's own stack, where neither malloc nor a lock may be used: in
 * hooks of the allocator and of mutexes.
 *
 * Memory: none; on a coroutine's stack a static copy, the main thread's alone.
 * Thread: any; never a signal handler.
 */
#ifndef TOQ_PROFILING_WALK_BACKTRACE_H
#define TOQ_PROFILING_WALK_BACKTRACE_H

#include "core/base/base.h"

/* backtrace_take collects the stack from the caller of backtrace_take on: for each frame the
 * address in its call instruction, the innermost first.
 *
 * max: at least 2; one of them is used on the way.
 * Returns: how many; 0 before bounds_init and while no unwind table is published. *ret_is_complete
 *          tells whether the last frame is the thread's start.
 */
size_t backtrace_take(uint64_t *ret_frames, size_t max, bool *ret_is_complete);

#endif
