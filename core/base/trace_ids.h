/* SPDX-License-Identifier: MIT
 *
 * trace_ids.h - the two ids of a span as numbers, for places where a signal handler writes them.
 */
#ifndef TOQ_CORE_BASE_TRACE_IDS_H
#define TOQ_CORE_BASE_TRACE_IDS_H

#include "core/base/base.h"

/* All zero: none. */
struct trace_ids {
    uint64_t trace_id[2]; /* in the order of their bytes: as 16 bytes they are the id */
    uint64_t span_id;     /* as 8 bytes; 0: none */
};

#endif
