/* SPDX-License-Identifier: MIT
 *
 * newest.h - limits the number of files of one kind in a folder: the oldest are removed.
 */
#ifndef TOQ_CORE_LOOP_NEWEST_H
#define TOQ_CORE_LOOP_NEWEST_H

#include "core/base/base.h"

/* newest_keep removes files from a folder whose names begin with `prefix` and end with `suffix`,
 * the oldest first by the time of their last change, until at most `count` are left. Files that
 * cannot be read or removed stay.
 *
 * Thread: any that may wait for a disk.
 */
void newest_keep(const char *dir, const char *prefix, const char *suffix, size_t count);

#endif
