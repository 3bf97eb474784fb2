/* SPDX-License-Identifier: MIT
 *
 * proc_file.h - the start of a file below /proc. Such a file is made by the kernel as it is read:
 * no disk is touched, so this may run on the loop.
 */
#ifndef TOQ_CORE_TELEMETRY_PROC_FILE_H
#define TOQ_CORE_TELEMETRY_PROC_FILE_H

#include "core/base/str.h"

/* proc_file_read reads up to `size` bytes from the start of a file.
 *
 * Returns: true with *ret_text set, a view of `data`; false when nothing could be read.
 * Thread:  any.
 */
MUST_USE bool proc_file_read(const char *path, char *data, size_t size, struct str *ret_text);

#endif
