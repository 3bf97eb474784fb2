/* SPDX-License-Identifier: MIT
 *
 * newest.h - bounds how many files of a kind a folder has: the oldest go.
 */
#ifndef TOQ_CORE_LOOP_NEWEST_H
#define TOQ_CORE_LOOP_NEWEST_H

#include "core/base/base.h"

/* newest_keep removes the oldest of a folder's files whose names begin with `prefix` and end with
 * `suffix`, by the time of their last change, until at most `count` are left. What cannot be read
 * or removed stays.
 *
 * Thread: any that may wait for a disk.
 */
void newest_keep(const char *dir, const char *prefix, const char *suffix, size_t count);

#endif
