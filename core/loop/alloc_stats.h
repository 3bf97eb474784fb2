/* SPDX-License-Identifier: MIT
 *
 * alloc_stats.h - the allocator's statistics of the process's memory.
 */
#ifndef TOQ_CORE_LOOP_ALLOC_STATS_H
#define TOQ_CORE_LOOP_ALLOC_STATS_H

#include "core/base/base.h"

/* jemalloc's statistics, in bytes; see jemalloc(3). */
struct alloc_stats {
    uint64_t allocated; /* by the program, and not freed */
    uint64_t active;    /* in pages that hold any of it */
    uint64_t resident;  /* in physical memory, at most */
    uint64_t retained;  /* address space kept without memory behind it */
    uint64_t metadata;  /* of the allocator itself */
    uint64_t purges;    /* times that free pages were given back to the system */
};

/* alloc_stats_read updates the statistics and reads them.
 *
 * Returns: true with *ret_stats set; false under another allocator, a sanitizer's for example.
 * Thread:  any; it visits every arena.
 */
MUST_USE bool alloc_stats_read(struct alloc_stats *ret_stats);

#endif
