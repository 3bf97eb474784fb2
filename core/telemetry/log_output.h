/* SPDX-License-Identifier: MIT
 *
 * log_output.h - writes lines to a descriptor that may block, fill up or break; counts each line
 * that is lost.
 *
 * Failure: see log_output_write.
 * Thread: the log writer's, one at a time.
 */
#ifndef TOQ_CORE_TELEMETRY_LOG_OUTPUT_H
#define TOQ_CORE_TELEMETRY_LOG_OUTPUT_H

#include "core/base/str.h"
#include "core/telemetry/log_line.h"

struct log_output {
    int fd; /* borrowed; blocking or not */
    enum log_format format;
    uint64_t missing_lines; /* dropped and not yet announced */
    bool is_mid_line;       /* the last write that failed left half a line behind */
};

/* log_output_write writes whole lines, and before them a warning with the number of lines that are
 * missing so far, if any. It waits as long as the descriptor takes no bytes. When a write fails,
 * the rest is dropped and added to missing_lines, and nothing more is tried.
 *
 * Returns: how many of the lines were written whole.
 */
size_t log_output_write(struct log_output *output, struct str lines);

#endif
