/* SPDX-License-Identifier: MIT
 *
 * unwind_table.h - makes the unwind table from the call frame information of every mapped object.
 *
 * Memory: 16 bytes per row; about 110,000 rows for the server with its libraries; 32 KiB of memo.
 * Thread: a worker thread builds; of a built table only the memo changes.
 */
#ifndef TOQ_PROFILING_CODE_UNWIND_TABLE_H
#define TOQ_PROFILING_CODE_UNWIND_TABLE_H

#include "profiling/walk/unwind_rows.h"

struct maps;

/* unwind_table_create turns the .eh_frame of every executable mapping into rows. An object that
 * cannot be read is left out: its code gets UNWIND_UNKNOWN.
 *
 * Returns: 0 with *ret_table set; UV_ENOMEM.
 * Thread:  a worker thread; it reads files.
 */
MUST_USE int unwind_table_create(const struct maps *maps, struct unwind_table **ret_table);

/* unwind_table_destroy frees a table; takes NULL. */
void unwind_table_destroy(struct unwind_table *table);

#endif
