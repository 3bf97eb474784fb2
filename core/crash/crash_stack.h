/* SPDX-License-Identifier: MIT
 *
 * crash_stack.h - the calls that led to a crash: by the profiler's unwinder where it runs, else by
 * frame pointers, which every function of the server keeps.
 *
 * Thread: signal, unless a function says otherwise.
 */
#ifndef TOQ_CORE_CRASH_CRASH_STACK_H
#define TOQ_CORE_CRASH_CRASH_STACK_H

#include "core/crash/crash_regs.h"

#define CRASH_FRAMES_MAX 64

/* A crash_walk_fn collects the stack of a thread, as unwind_walk does.
 *
 * ret_frames: code addresses, the innermost first; of callers in the call instruction.
 * Returns: how many, max at most; 0 when it has no table. */
typedef size_t (*crash_walk_fn)(const struct crash_place *place, uint64_t *ret_frames, size_t max);

/* crash_stack_use names the unwinder, for the life of the process.
 *
 * Thread: any.
 */
void crash_stack_use(crash_walk_fn walk);

/* crash_stack_take collects the stack that a signal interrupted; crash_code_read comes first.
 *
 * Returns: how many frames, at least 1; *ret_is_walked: by the unwinder.
 */
size_t crash_stack_take(const ucontext_t *context, uint64_t *ret_frames, bool *ret_is_walked);

#endif
