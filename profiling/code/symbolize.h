/* SPDX-License-Identifier: MIT
 *
 * symbolize.h - names and lines for the frames of a crashed process of the same program: its
 * objects are mapped into this process too, at other addresses.
 *
 * Failure: frames of an object that is not mapped here, such as a plugin, get no name.
 * Thread:  as symbol_lookup.
 */
#ifndef TOQ_PROFILING_CODE_SYMBOLIZE_H
#define TOQ_PROFILING_CODE_SYMBOLIZE_H

#include <stdio.h>

#include "core/base/base.h"

/* symbolize_print prints a line for a frame, and one for each call that was inlined into it.
 *
 * frame: "#3=/usr/bin/toq_server+0x1a2b"; what stands before the "=" comes before each line. The
 * file's last part will do.
 * Returns: whether there is such an object.
 */
bool symbolize_print(const char *frame, FILE *out);

#endif
