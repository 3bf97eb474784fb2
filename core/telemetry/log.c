/* SPDX-License-Identifier: MIT
 *
 * log.c - the threshold, and the way of an event: to the writer, or to stderr before there is one.
 */
#include "core/telemetry/log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/telemetry/log_format.h"
#include "core/telemetry/log_limit.h"
#include "core/telemetry/log_writer.h"

#define QUEUE_BYTES ((size_t)1 << 20)

static atomic_int threshold = LOG_INFO;
static atomic_int format = LOG_TEXT;
static _Atomic(log_context_fn) get_context;
static atomic_bool is_started; /* stays set after log_stop: stderr is for the time before */

int log_start(const struct log_options *options)
{
    struct log_options complete = *options;
    if (complete.queue_bytes == 0) {
        complete.queue_bytes = QUEUE_BYTES;
    }
    static const struct log_writer_counts counts = {log_limit_is_pending, log_limit_flush};
    const int status = log_writer_start(&complete, &counts);
    if (status != 0) {
        return status;
    }
    atomic_store(&format, options->format);
    log_set_level(options->level);
    atomic_store(&is_started, true);
    return 0;
}

void log_stop(uint64_t timeout_ms)
{
    log_limit_flush(UINT64_MAX);
    log_writer_stop(timeout_ms);
}

enum log_format log_choose_format(enum log_format configured, int fd)
{
    if (configured != LOG_TEXT || isatty(fd) == 0) {
        return configured;
    }
    const char *no_colour = getenv("NO_COLOR"); /* any value but none counts; see no-color.org */
    const char *term = getenv("TERM");
    const bool is_plain = (no_colour != NULL && no_colour[0] != '\0') || term == NULL ||
                          str_equal(str_from(term), STR("dumb"));
    return is_plain ? LOG_TERMINAL : LOG_TERMINAL_COLOUR;
}

bool log_is_watched(void)
{
    return atomic_load(&format) >= LOG_TERMINAL;
}

void log_note(struct str lines)
{
    if (log_is_watched()) {
        log_writer_push(lines.ptr, lines.len);
    }
}

void log_set_context(log_context_fn fn)
{
    atomic_store(&get_context, fn);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_event(enum log_level level, const char *component, const char *message,
               const struct log_field *fields, size_t count)
{
    if (!log_is_on(level)) {
        return;
    }
    const log_context_fn ask = atomic_load_explicit(&get_context, memory_order_relaxed);
    struct log_context context;
    const bool has_context = ask != NULL && ask(&context);
    const struct log_record record = {
        .wall_ns = clock_wall_ns(),
        .level = level,
        .component = component,
        .message = message,
        .fields = fields,
        .count = count,
        .context = has_context ? &context : NULL,
    };
    char line[LOG_LINE_MAX_BYTES];
    const size_t len = log_format_line((enum log_format)atomic_load(&format), &record, line);
    if (atomic_load(&is_started)) {
        log_writer_push(line, len);
    } else {
        const ssize_t ignored = write(STDERR_FILENO, line, len); /* nowhere to report it */
        (void)ignored;
    }
}

struct log_stats log_get_stats(void)
{
    return log_writer_get_stats();
}
