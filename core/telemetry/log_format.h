/* SPDX-License-Identifier: MIT
 *
 * log_format.h - one event as one line of text or JSON, in memory of the caller.
 *
 * Memory: nothing is allocated, so a line can be made when memory is short.
 * Thread: any.
 */
#ifndef TOQ_CORE_TELEMETRY_LOG_FORMAT_H
#define TOQ_CORE_TELEMETRY_LOG_FORMAT_H

#include "core/base/buf.h"
#include "core/telemetry/log_line.h"

#define LOG_LINE_MAX_BYTES 4096 /* with the newline */

/* An event as log_event takes it, with its time. */
struct log_record {
    uint64_t wall_ns; /* since 1970 */
    enum log_level level;
    const char *component;
    const char *message;
    const struct log_field *fields; /* `count` of them */
    size_t count;
    const struct log_context *context; /* written behind the fields; NULL: none */
};

#define LOG_TERMINAL_COLUMNS 120

/* log_format_value appends the value of a field, quoted where the format wants it. */
void log_format_value(struct buf *line, enum log_format format, const struct log_field *field);

/* log_format_line writes the record as one line with its newline and no other, without a NUL.
 *
 * Text: `2026-11-22T23:59:59.123456Z INFO  http: listening address=127.0.0.1:8080`; a value that
 * is not plain printable ASCII is written as JSON writes it. JSON: one object, valid UTF-8,
 * numbers as numbers, null for one that JSON cannot hold. A field that does not fit is shortened
 * or left out, and the line then ends with the field cut=true. The ids always fit.
 *
 * Terminal: `23:59:59.123 INFO  http: listening address=127.0.0.1:8080`; what does not fit into
 * LOG_TERMINAL_COLUMNS goes on in further lines that begin with blanks.
 *
 * out: LOG_LINE_MAX_BYTES.
 * Returns: the bytes written.
 */
size_t log_format_line(enum log_format format, const struct log_record *record, char *out);

#endif
