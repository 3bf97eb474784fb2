/* SPDX-License-Identifier: MIT
 *
 * log_terminal.c - time of day, level, fields, and the trace id last: within a terminal's columns.
 *
 * Flow:    head -> each field: on the same line where it fits, else on a new one -> trace id
 * Failure: a value that is too long is halved until it fits into LOG_LINE_MAX_BYTES.
 */
#include "core/telemetry/log_terminal.h"

#include "core/base/clock.h"
#include "core/base/hex.h"

#define INDENT     4   /* of a line that goes on */
#define CLIP_BYTES 49  /* of a target: /v1/listings/ and a UUID; with it an access line fits */
#define TAIL_BYTES 128 /* kept free for the trace id, its colours, " cut=true" and line breaks */
#define TIME_AT    11  /* of 2026-11-22T23:59:59.123456Z */
#define TIME_BYTES 12  /* to the millisecond */

#define DIM    "\033[2m"
#define RED    "\033[31m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define CYAN   "\033[36m"
#define PLAIN  "\033[0m"

struct screen {
    struct buf *line;
    size_t column; /* of those that are seen: colours take none */
    bool is_coloured;
};

static void put(struct screen *screen, const char *colour, struct str text)
{
    const bool has_colour = screen->is_coloured && colour != NULL;
    if (has_colour) {
        buf_append_cstr(screen->line, colour);
    }
    buf_append_str(screen->line, text);
    if (has_colour) {
        buf_append_cstr(screen->line, PLAIN);
    }
    screen->column += text.len;
}

/* put_word puts a blank and a word, or begins a further line with it. */
static void put_word(struct screen *screen, const char *colour, struct str word)
{
    if (screen->column + 1 + word.len > LOG_TERMINAL_COLUMNS && screen->column > INDENT) {
        buf_append_cstr(screen->line, "\n   ");
        screen->column = INDENT - 1;
    }
    put(screen, NULL, STR(" "));
    put(screen, colour, word);
}

/* put_text puts a field that is wider than a line word by word. */
static void put_text(struct screen *screen, const char *colour, struct str text)
{
    struct str word;
    if (text.len <= LOG_TERMINAL_COLUMNS - INDENT) {
        put_word(screen, colour, text);
        return;
    }
    while (str_next_field(&text, ' ', &word)) {
        put_word(screen, colour, word);
    }
}

/* is_access tells whether it is the line of a request: the most frequent one, whose component and
 * message say nothing that its fields do not. */
static bool is_access(const struct log_record *record)
{
    return strcmp(record->component, "access") == 0 && record->count > 0 &&
           record->fields[0].show != LOG_SHOW_PAIR;
}

static void put_head(struct screen *screen, const struct log_record *record)
{
    static const char *const levels[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
    static const char *const colours[] = {DIM, NULL, YELLOW, RED};
    char time[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(record->wall_ns, time);
    put(screen, DIM, (struct str){time + TIME_AT, TIME_BYTES});
    put(screen, NULL, STR(" "));
    put(screen, colours[record->level], str_from(levels[record->level]));
    if (!is_access(record)) {
        put(screen, NULL, STR(" "));
        put(screen, NULL, str_from(record->component));
        put(screen, NULL, STR(":"));
        put_text(screen, NULL, str_from(record->message));
    }
}

/* unit_of is what a key's last part says of a number; empty for a number of nothing. */
static struct str unit_of(const struct log_field *field)
{
    static const char *const units[] = {"us", "ms", "s"};
    const char *last = strrchr(field->key, '_');
    for (size_t i = 0; last != NULL && i < ARRAY_COUNT(units); i++) {
        if (strcmp(last + 1, units[i]) == 0) {
            return str_from(units[i]);
        }
    }
    return STR("");
}

static const char *colour_of(const struct log_field *field)
{
    static const char *const classes[] = {NULL, NULL, GREEN, CYAN, YELLOW, RED};
    const bool is_status = field->kind == LOG_FIELD_I64 && strcmp(field->key, "status") == 0;
    const int64_t class = is_status ? field->i64 / 100 : 0;
    return class >= 0 && class < (int64_t)ARRAY_COUNT(classes) ? classes[class] : NULL;
}

/* is_printable tells whether a text may stand on a terminal as it is: as a target nearly always. */
static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

/* format_field writes a field as it is shown; `text` is empty before. */
static void format_field(struct buf *text, const struct log_field *field)
{
    struct log_field shown = *field;
    const bool is_clipped =
        field->show == LOG_SHOW_CLIP && field->kind == LOG_FIELD_STR && field->str.len > CLIP_BYTES;
    if (is_clipped) {
        shown.str.len = CLIP_BYTES - 3;
    }
    if (field->show == LOG_SHOW_PAIR) {
        buf_append_cstr(text, field->key);
        buf_append_char(text, '=');
    }
    if (field->show == LOG_SHOW_CLIP && is_printable(shown.str)) {
        buf_append_str(text, shown.str);
    } else {
        log_format_value(text, LOG_TERMINAL, &shown);
    }
    buf_append_cstr(text, is_clipped ? "..." : "");
    if (field->show == LOG_SHOW_VALUE) {
        buf_append_str(text, unit_of(field));
    }
}

/* put_field puts as much of a field as there is room for; false when something is missing. */
static bool put_field(struct screen *screen, struct log_field field)
{
    char bytes[LOG_LINE_MAX_BYTES];
    const size_t start = screen->line->len;
    const size_t column = screen->column;
    for (bool is_whole = true;; is_whole = false) {
        struct buf text = {
            .data = bytes, .cap = LOG_LINE_MAX_BYTES, .max_bytes = LOG_LINE_MAX_BYTES};
        format_field(&text, &field);
        if (!text.is_failed) {
            put_text(screen, colour_of(&field), buf_str(&text));
        }
        if (!text.is_failed && !screen->line->is_failed) {
            return is_whole;
        }
        screen->line->len = start;
        screen->line->is_failed = false;
        screen->column = column;
        if (field.kind != LOG_FIELD_STR || field.str.len == 0) {
            return false;
        }
        field.str.len /= 2;
    }
}

static void put_tail(struct screen *screen, const struct trace_context *trace, bool is_cut)
{
    if (is_cut) {
        put_word(screen, NULL, STR("cut=true"));
    }
    if (trace != NULL) {
        char id[TRACE_ID_LEN];
        hex_encode(trace->trace_id, sizeof(trace->trace_id), id);
        put_word(screen, DIM, (struct str){id, sizeof(id)});
    }
    buf_append_char(screen->line, '\n');
}

size_t log_terminal_line(const struct log_record *record, bool is_coloured, char *out)
{
    struct buf line = {
        .data = out, .cap = LOG_LINE_MAX_BYTES, .max_bytes = LOG_LINE_MAX_BYTES - TAIL_BYTES};
    struct screen screen = {.line = &line, .is_coloured = is_coloured};
    put_head(&screen, record);
    REQUIRE(!line.is_failed); /* component and message are literals */
    bool is_cut = false;
    for (size_t i = 0; i < record->count; i++) {
        if (record->fields[i].show != LOG_SHOW_NOT) {
            is_cut = !put_field(&screen, record->fields[i]) || is_cut;
        }
    }
    line.max_bytes = LOG_LINE_MAX_BYTES;
    put_tail(&screen, record->context == NULL ? NULL : record->context->trace, is_cut);
    INVARIANT(!line.is_failed);
    return line.len;
}
