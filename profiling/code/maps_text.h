/* SPDX-License-Identifier: MIT
 *
 * maps_text.h - the text of /proc/self/maps, line by line.
 *
 * Source: proc(5).
 * Thread: any.
 */
#ifndef TOQ_PROFILING_CODE_MAPS_TEXT_H
#define TOQ_PROFILING_CODE_MAPS_TEXT_H

#include "core/base/str.h"

/* Ends the path of a file that was removed or replaced. */
#define MAPS_DELETED_SUFFIX " (deleted)"

struct maps_line {
    uint64_t start;
    uint64_t end;
    uint64_t offset; /* in the file */
    bool is_exec;
    struct str path; /* a view of the text, without MAPS_DELETED_SUFFIX; "" when it names none */
};

/* maps_text_next cuts the next line that names a mapping off *text; others are skipped.
 *
 * Returns: true with *ret_line set; false when there is none.
 */
MUST_USE bool maps_text_next(struct str *text, struct maps_line *ret_line);

#endif
