/* SPDX-License-Identifier: MIT
 *
 * alloc_stats.h - what the allocator says of the process's memory.
 */
#ifndef TOQ_CORE_LOOP_ALLOC_STATS_H
#define TOQ_CORE_LOOP_ALLOC_STATS_H

#include "core/base/base.h"

/* jemalloc's statistics, in bytes; see jemalloc(3). */
struct alloc_stats {
    uint64_t allocated; /* by the program, and not given back */
    uint64_t active;    /* in pages with any of it */
    uint64_t resident;  /* in physical memory, at most */
    uint64_t retained;  /* address space that is kept without memory behind it */
    uint64_t metadata;  /* of the allocator's own */
    uint64_t purges;    /* times that free pages were given back to the system */
};

/* alloc_stats_read has the statistics brought up to date and reads them.
 *
 * Returns: true with *ret_stats set; false when the allocator is another, as a sanitizer's.
 * Thread:  any; it visits every arena.
 */
MUST_USE bool alloc_stats_read(struct alloc_stats *ret_stats);

#endif
