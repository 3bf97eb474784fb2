/* SPDX-License-Identifier: MIT
 *
 * log.h - one line per event, as text for people or JSON for machines, written by a thread of its
 * own.
 *
 * Flow:    log_event -> level check -> line formatted on the stack -> bounded queue -> writer
 *          thread -> write(2)
 * Failure: a full queue, a reader that went away or a full disk drop lines; every drop is counted,
 *          and the next line that gets through says how many are missing. The caller never waits.
 * Thread:  any, after log_start; never from a signal handler.
 *
 * A line that is written on behalf of a request says so: it ends with the request's route or rpc,
 * task and peer, those that are not among its fields already, and with trace_id and span_id.
 */
#ifndef TOQ_CORE_TELEMETRY_LOG_H
#define TOQ_CORE_TELEMETRY_LOG_H

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

/* log_start starts the writer thread.
 *
 * fd:      SIGPIPE is to be ignored when it is a pipe or socket.
 * Returns: 0; UV_ENOMEM, or the thread's creation error as a negative errno.
 * Thread:  main, while no writer runs.
 */
MUST_USE int log_start(const struct log_options *options);

/* log_stop writes what is queued, for at most `timeout_ms`, and ends the writer; a writer stuck in
 * write(2) is left behind. Later events go nowhere.
 *
 * Thread: main.
 */
void log_stop(uint64_t timeout_ms);

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

/* A log_context_fn tells what the calling thread works for now, borrowed until the next call. It
 * logs nothing itself.
 *
 * Returns: false: nothing.
 * Thread:  any.
 */
typedef bool (*log_context_fn)(struct log_context *ret_context);

/* log_choose_format is the format that suits a descriptor: text becomes LOG_TERMINAL where the
 * descriptor is a terminal, in colours unless NO_COLOR is set or TERM is dumb.
 *
 * Thread: main.
 */
enum log_format log_choose_format(enum log_format configured, int fd);

/* log_is_watched tells whether the log goes to a terminal in LOG_TERMINAL or its colours.
 *
 * Thread: any.
 */
bool log_is_watched(void);

/* log_note queues lines as they are, for the person who watches; without one it does nothing.
 *
 * lines: each but the last begins with a blank or is empty; ends with a newline.
 * Thread: any.
 */
void log_note(struct str lines);

/* log_set_context sets where lines get what they are written for, asked once each line on the
 * thread that writes it; NULL, as at first: they have none.
 *
 * Thread: any.
 */
void log_set_context(log_context_fn get_context);

/* log_set_level changes the threshold from the next event on.
 *
 * Thread: any.
 */
void log_set_level(enum log_level level);

/* log_level_name is a level as LOG_LEVEL names it.
 *
 * Thread: any.
 */
const char *log_level_name(enum log_level level);

/* log_is_on tells whether an event of `level` would be written, for callers whose fields cost
 * something.
 *
 * Thread: any.
 */
bool log_is_on(enum log_level level);

/* log_event queues one line: time, level, `component` (a literal such as "http"), `message` (a
 * literal), the fields in order, and what it is written for (log_set_context). Values are copied;
 * control bytes and quotes in them are escaped. A line longer than 4 KiB loses the ends of
 * its longest values and says cut=true. Before log_start the line goes straight to stderr.
 *
 * fields: `count` of them; NULL when 0.
 * Thread: any.
 */
void log_event(enum log_level level, const char *component, const char *message,
               const struct log_field *fields, size_t count);

/* LOG queues a line with fields: LOG(LOG_INFO, "http", "listening", log_str("address", a)). */
#define LOG(level, component, message, ...)                                                        \
    do {                                                                                           \
        if (log_is_on(level)) {                                                                    \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_event((level), (component), (message), log_fields_, ARRAY_COUNT(log_fields_));     \
        }                                                                                          \
    } while (0)

/* log_get_stats reads the counters.
 *
 * Thread: any.
 */
struct log_stats log_get_stats(void);

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
