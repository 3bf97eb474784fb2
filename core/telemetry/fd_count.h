/* SPDX-License-Identifier: MIT
 *
 * fd_count.h - how many descriptors the process has open, without listing them: reading
 * /proc/self/fd with 20,000 entries takes 15-75 ms.
 */
#ifndef TOQ_CORE_TELEMETRY_FD_COUNT_H
#define TOQ_CORE_TELEMETRY_FD_COUNT_H

#include "core/base/base.h"

/* fd_count_open counts the open descriptors in the cheapest way this kernel has.
 *
 * Returns: true with *ret_count set; false when counting is impossible or would take too long.
 * Thread:  any.
 */
MUST_USE bool fd_count_open(uint64_t *ret_count);

/* fd_count_by_scan asks for each slot of the descriptor table: the way for kernels before 6.2.
 *
 * Returns: as fd_count_open; false above 16,384 slots, which take some 2.5 ms.
 * Thread:  any.
 */
MUST_USE bool fd_count_by_scan(uint64_t *ret_count);

#endif
