/* SPDX-License-Identifier: MIT
 *
 * log_format.c - text for people, JSON for machines, cut at the line's maximum.
 *
 * Flow:    head (time, level, component, message) -> each field, shortened until it fits -> tail
 * Failure: what does not fit is cut field by field; the line stays well-formed.
 */
#include "core/telemetry/log_format.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/hex.h"
#include "core/telemetry/log_terminal.h"
#include "core/telemetry/number.h"

/* Kept free for the tail: `,"cut":true}` and the newline are 13 bytes,
 * `,"trace_id":"","span_id":""` 27. */
#define TAIL_BYTES (TRACE_ID_LEN + TRACE_SPAN_ID_LEN + 40)

static const char *const text_levels[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

/* is_bare tells whether a text value needs no quotes: nothing in it could be taken for the end of
 * the value, the start of another, or a command to the terminal. */
static bool is_bare(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.ptr[i];
        if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') {
            return false;
        }
    }
    return value.len > 0;
}

static void append_f64(struct buf *line, enum log_format format, double value)
{
    char number[NUMBER_BYTES];
    number_format(number, value);
    const bool is_null = format == LOG_JSON && !isfinite(value);
    buf_append_cstr(line, is_null ? "null" : number);
}

void log_format_value(struct buf *line, enum log_format format, const struct log_field *field)
{
    switch (field->kind) {
    case LOG_FIELD_STR:
        if (format != LOG_JSON && is_bare(field->str)) {
            buf_append_str(line, field->str);
        } else {
            buf_append_json(line, field->str);
        }
        break;
    case LOG_FIELD_U64:
        buf_append_u64(line, field->u64);
        break;
    case LOG_FIELD_I64:
        buf_printf(line, "%" PRId64, field->i64);
        break;
    case LOG_FIELD_F64:
        append_f64(line, format, field->f64);
        break;
    }
}

static void append_field(struct buf *line, enum log_format format, const struct log_field *field)
{
    if (format == LOG_JSON) {
        buf_append_char(line, ',');
        buf_append_json(line, str_from(field->key));
        buf_append_char(line, ':');
    } else {
        buf_append_char(line, ' ');
        buf_append_cstr(line, field->key);
        buf_append_char(line, '=');
    }
    log_format_value(line, format, field);
}

/* append_fitting appends as much of a field as the line has room for.
 *
 * A text value is halved until it fits: escapes make the room it takes hard to predict, and a
 * line this long is rare.
 * Returns: false when something is missing.
 */
static bool append_fitting(struct buf *line, enum log_format format, struct log_field field)
{
    const size_t start = line->len;
    bool is_whole = true;
    if (field.kind == LOG_FIELD_STR && field.str.len > LOG_LINE_MAX_BYTES) {
        field.str.len = LOG_LINE_MAX_BYTES; /* so that a huge value is not walked to its end */
        is_whole = false;
    }
    for (;;) {
        append_field(line, format, &field);
        if (!line->is_failed) {
            return is_whole;
        }
        line->len = start;
        line->is_failed = false;
        is_whole = false;
        if (field.kind != LOG_FIELD_STR || field.str.len == 0) {
            return false;
        }
        field.str.len /= 2;
    }
}

static void append_head(struct buf *line, enum log_format format, const struct log_record *record)
{
    char time[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(record->wall_ns, time);
    if (format == LOG_TEXT) {
        buf_append_cstr(line, time);
        buf_append_char(line, ' ');
        buf_append_cstr(line, text_levels[record->level]);
        buf_append_char(line, ' ');
        buf_append_cstr(line, record->component);
        buf_append_cstr(line, ": ");
        buf_append_cstr(line, record->message);
        return;
    }
    buf_append_cstr(line, "{\"time\":\"");
    buf_append_cstr(line, time);
    buf_append_cstr(line, "\",\"level\":\"");
    buf_append_cstr(line, log_level_name(record->level));
    buf_append_cstr(line, "\",\"component\":");
    buf_append_json(line, str_from(record->component));
    buf_append_cstr(line, ",\"message\":");
    buf_append_json(line, str_from(record->message));
}

static void append_id(struct buf *line, enum log_format format, const char *key, const uint8_t *id,
                      size_t size)
{
    char text[TRACE_ID_LEN];
    hex_encode(id, size, text);
    const struct log_field field = log_str(key, (struct str){text, 2 * size});
    append_field(line, format, &field);
}

static bool has_field(const struct log_record *record, const char *key)
{
    for (size_t i = 0; i < record->count; i++) {
        if (strcmp(record->fields[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

/* append_context appends what a line is written for, as far as its fields do not say so.
 *
 * Returns: false when something is missing. */
static bool append_context(struct buf *line, enum log_format format,
                           const struct log_record *record)
{
    const struct log_context *context = record->context;
    char peer[LOG_PEER_BYTES] = "";
    if (context == NULL) {
        return true;
    }
    if (context->format_peer != NULL && !has_field(record, "peer")) {
        context->format_peer(context->owner, peer);
    }
    const struct {
        bool is_known;
        struct log_field field;
    } rows[] = {
        {context->route != NULL, log_cstr("route", context->route)},
        {context->rpc != NULL, log_cstr("rpc", context->rpc)},
        {context->task != 0, log_u64("task", context->task)},
        {peer[0] != '\0', log_cstr("peer", peer)},
    };
    bool is_whole = true;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].is_known && !has_field(record, rows[i].field.key)) {
            is_whole = append_fitting(line, format, rows[i].field) && is_whole;
        }
    }
    return is_whole;
}

static void append_tail(struct buf *line, enum log_format format, const struct log_context *context,
                        bool is_cut)
{
    if (context != NULL) {
        const struct trace_context *trace = context->trace;
        append_id(line, format, "trace_id", trace->trace_id, sizeof(trace->trace_id));
        append_id(line, format, "span_id", trace->span_id, sizeof(trace->span_id));
    }
    if (format == LOG_JSON) {
        buf_append_cstr(line, is_cut ? ",\"cut\":true}\n" : "}\n");
    } else {
        buf_append_cstr(line, is_cut ? " cut=true\n" : "\n");
    }
}

size_t log_format_line(enum log_format format, const struct log_record *record, char *out)
{
    if (format >= LOG_TERMINAL) {
        return log_terminal_line(record, format == LOG_TERMINAL_COLOUR, out);
    }
    /* capacity and maximum are equal, so the buffer never grows: it stays in `out` */
    struct buf line = {
        .data = out, .cap = LOG_LINE_MAX_BYTES, .max_bytes = LOG_LINE_MAX_BYTES - TAIL_BYTES};
    append_head(&line, format, record);
    REQUIRE(!line.is_failed); /* component and message are literals */
    bool is_cut = false;
    for (size_t i = 0; i < record->count; i++) {
        is_cut = !append_fitting(&line, format, record->fields[i]) || is_cut;
    }
    is_cut = !append_context(&line, format, record) || is_cut;
    line.max_bytes = LOG_LINE_MAX_BYTES;
    append_tail(&line, format, record->context, is_cut);
    INVARIANT(!line.is_failed);
    return line.len;
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}
