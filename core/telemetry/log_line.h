/* SPDX-License-Identifier: MIT
 *
 * log_line.h - what a line of the log is made of: level, format, fields, and what it is written
 * for; and the log's options.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_TELEMETRY_LOG_LINE_H
#define TOQ_CORE_TELEMETRY_LOG_LINE_H

#include "core/telemetry/trace.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format {
    LOG_TEXT,
    LOG_JSON,
    LOG_TERMINAL,       /* text for a person who watches: short, and LOG_TERMINAL_COLUMNS wide */
    LOG_TERMINAL_COLOUR /* the same in colours */
};

/* What a field holds; made by the helpers below. */
enum log_field_kind { LOG_FIELD_STR, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_F64 };

/* How a terminal shows a field; text and JSON have all of them as pairs. */
enum log_show {
    LOG_SHOW_PAIR,  /* key=value */
    LOG_SHOW_VALUE, /* the value alone, with the key's unit behind a number */
    LOG_SHOW_CLIP,  /* the value alone, and no more of it than leaves room for the rest */
    LOG_SHOW_NOT,
};

struct log_field {
    const char *key; /* a literal: [a-z_]+, units suffixed */
    enum log_show show;
    enum log_field_kind kind;
    union {
        struct str str;
        uint64_t u64;
        int64_t i64;
        double f64;
    };
};

struct log_options {
    int fd; /* borrowed; 1 in the server */
    enum log_level level;
    enum log_format format;
    size_t queue_bytes; /* 0 takes the default, 1 MiB */
};

struct log_stats {
    uint64_t written_lines;
    uint64_t dropped_lines; /* queue full or write failed */
};

#define LOG_PEER_BYTES 64

/* What the calling thread works for. */
struct log_context {
    const struct trace_context *trace; /* it has begun */
    const char *route;                 /* NULL: it has none, as the next */
    const char *rpc;
    uint64_t task;
    /* writes who asked, in LOG_PEER_BYTES, for lines that do not say so; NULL: nobody */
    void (*format_peer)(const void *owner, char *out);
    const void *owner;
};

/* log_level_name is a level as LOG_LEVEL names it.
 *
 * Thread: any.
 */
const char *log_level_name(enum log_level level);

/* log_str is a text field; the view is borrowed until log_event returns. */
static inline struct log_field log_str(const char *key, struct str value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_STR, .str = value};
}

/* log_cstr is a text field from a NUL-terminated string. */
static inline struct log_field log_cstr(const char *key, const char *value)
{
    return log_str(key, str_from(value));
}

/* log_u64 is an unsigned number. */
static inline struct log_field log_u64(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_U64, .u64 = value};
}

/* log_i64 is a signed number. */
static inline struct log_field log_i64(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_I64, .i64 = value};
}

/* log_f64 is a number with a fraction. */
static inline struct log_field log_f64(const char *key, double value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_F64, .f64 = value};
}

/* log_show is `field`, shown on a terminal as `show` says. */
static inline struct log_field log_show(enum log_show show, struct log_field field)
{
    field.show = show;
    return field;
}

#endif
