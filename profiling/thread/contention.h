/* SPDX-License-Identifier: MIT
 *
 * contention.h - a table of the number and time of waits, by the stack that caused them and label.
 * Any thread adds to it, in hooks that may use neither malloc nor a lock.
 *
 * Failure: stacks that find no room are counted and dropped.
 * Memory:  fixed, about 2 MiB, of which unused pages take no memory. The profiler's own stacks are
 *          many, since libc frees its trees by recursion: past 256 of them they are one.
 * Thread:  any.
 */
#ifndef TOQ_PROFILING_THREAD_CONTENTION_H
#define TOQ_PROFILING_THREAD_CONTENTION_H

#include "profiling/write/stacks.h"

#define CONTENTION_RECORDS_MAX 4096 /* distinct stacks with labels; a power of two */
#define CONTENTION_FRAMES_MAX  64   /* of one stack; the outermost beyond are left out */

/* One stack with one label; it never goes away again. */
struct contention_record {
    _Atomic uint64_t key; /* hash of frames and label; 0: free */
    _Atomic uint64_t count;
    _Atomic uint64_t ns;
    _Atomic bool is_written; /* what follows can be read */
    uint32_t label;
    uint32_t depth;
    uint64_t frames[CONTENTION_FRAMES_MAX];
};

/* All-zero it is empty. */
struct contention {
    struct contention_record records[CONTENTION_RECORDS_MAX];
    _Atomic uint64_t used;
    _Atomic uint64_t
        profiler_used;          /* new stacks of the profiler's own, with those past its share */
    _Atomic uint64_t overflows; /* contention_find found no room */
};

/* contention_find is the record of a stack and a label, a new one the first time.
 *
 * frames: the innermost first. depth: 1 to CONTENTION_FRAMES_MAX. label: core/task/label.h.
 * Returns: the record, for LABEL_PROFILER perhaps that of all stacks past its share; NULL when
 *          there is no room. It is the table's and stays.
 */
struct contention_record *contention_find(struct contention *table, const uint64_t *frames,
                                          size_t depth, uint32_t label);

/* contention_add adds to a record. */
void contention_add(struct contention_record *record, uint64_t count, uint64_t ns);

/* contention_read adds all records to `stacks`: values[0] is the count, values[1] the nanoseconds.
 *
 * Thread: any; it allocates.
 */
void contention_read(const struct contention *table, struct stacks *stacks);

#endif
