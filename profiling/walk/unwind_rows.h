/* SPDX-License-Identifier: MIT
 *
 * unwind_rows.h - how to step from any code address of the process to its caller: one sorted array
 * that a signal handler can search.
 *
 * Thread: any; of a table only the memo changes.
 */
#ifndef TOQ_PROFILING_WALK_UNWIND_ROWS_H
#define TOQ_PROFILING_WALK_UNWIND_ROWS_H

#include "core/base/base.h"

/* Where a frame's CFA (the stack pointer before the call) is found. */
enum unwind_rule {
    UNWIND_OUTSIDE,  /* no code of any object */
    UNWIND_UNKNOWN,  /* code without a rule that we follow */
    UNWIND_ROOT,     /* the thread starts here: no caller */
    UNWIND_SP,       /* sp + 8 * cfa_slot */
    UNWIND_FP,       /* fp + 8 * cfa_slot */
    UNWIND_FP_DEREF, /* the word at fp + 8 * cfa_slot: functions that realign their stack; there the
                        caller's fp is saved at fp + 8 * fp_slot */
    UNWIND_PLT,      /* sp + 8, and 8 more from byte cfa_slot of each 16-byte stub on */
};

#define UNWIND_KEPT INT16_MIN /* the register still holds the caller's value */

/* A row holds from its pc to the next row's. */
struct unwind_row {
    uint64_t pc;
    uint16_t rule; /* enum unwind_rule */
    int16_t cfa_slot;
    int16_t fp_slot; /* where the caller's fp is saved: CFA + 8 * fp_slot; or UNWIND_KEPT */
    int16_t ra_slot; /* the same for the return address */
};

/* Stacks come back: which row a pc was found in is kept in the cell of its low bits, beside its
 * high bits. A search through all rows touches a dozen cache lines, and nobody has kept them
 * warm. */
#define UNWIND_MEMO_BITS 12
#define UNWIND_ROW_BITS  28

struct unwind_table {
    struct unwind_row *rows; /* by pc; the first has pc 0 */
    size_t count;            /* below 1 << UNWIND_ROW_BITS */
    size_t object_count;     /* objects whose rules are in */
    /* 1 << UNWIND_MEMO_BITS of them: pc >> UNWIND_MEMO_BITS above, the row's number below; 0 is
     * empty, or says that the first pages are row 0. NULL: none. Written by the threads that
     * walk. */
    _Atomic uint64_t *memo;
};

#endif
