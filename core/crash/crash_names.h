/* SPDX-License-Identifier: MIT
 *
 * crash_names.h - names and lines of the frames, from a process of its own: this one cannot
 * allocate any more.
 *
 * Flow:    _Fork -> execve of /proc/self/exe --symbolize FRAME... -> its output goes into the
 *          report
 * Failure: no process, no names, or CRASH_NAMES_MS are over: the addresses stand as they are.
 * Thread:  signal.
 */
#ifndef TOQ_CORE_CRASH_CRASH_NAMES_H
#define TOQ_CORE_CRASH_CRASH_NAMES_H

#include "core/crash/crash_out.h"

#define CRASH_NAMES_MS 5000

/* crash_names_put writes a line for each frame, and for each call that was inlined into it.
 *
 * handler: as a frame, of the task's handler; NULL: none.
 */
void crash_names_put(struct crash_out *out, const uint64_t *frames, size_t count,
                     const void *handler);

#endif
