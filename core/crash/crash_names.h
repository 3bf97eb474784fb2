/* SPDX-License-Identifier: MIT
 *
 * crash_names.h - names and lines of the frames, found by a child process, since the crashed one
 * must not allocate.
 *
 * Flow:    _Fork -> execve of /proc/self/exe --symbolize FRAME... -> its output goes into the
 *          report
 * Failure: without a child, without names or after CRASH_NAMES_MS the report has bare addresses.
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
