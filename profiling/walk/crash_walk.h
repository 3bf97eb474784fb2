/* SPDX-License-Identifier: MIT
 *
 * crash_walk.h - walks the stack of a crashed thread, which may have overflowed.
 *
 * Thread: signal, the one of the crash.
 */
#ifndef TOQ_PROFILING_WALK_CRASH_WALK_H
#define TOQ_PROFILING_WALK_CRASH_WALK_H

#include "profiling/walk/unwind.h"

/* crash_walk collects the calling thread's stack as it was interrupted, as unwind_walk does. What
 * is not mapped below the frames is not read.
 *
 * Returns: how many frames; 0 when there is no table.
 */
size_t crash_walk(struct arch_regs regs, uint64_t *ret_frames, size_t max);

#endif
