/* SPDX-License-Identifier: MIT
 *
 * log_terminal.h - formats one event for a terminal.
 *
 * Memory: nothing is allocated.
 * Thread: any.
 */
#ifndef TOQ_CORE_TELEMETRY_LOG_TERMINAL_H
#define TOQ_CORE_TELEMETRY_LOG_TERMINAL_H

#include "core/telemetry/log_format.h"

/* log_terminal_line writes the record as log_format_line does for LOG_TERMINAL.
 *
 * out:     LOG_LINE_MAX_BYTES.
 * Returns: the bytes written.
 */
size_t log_terminal_line(const struct log_record *record, bool is_coloured, char *out);

#endif
