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

#include "core/telemetry/log_line.h"

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

/* log_set_context sets where lines get what they are written for, asked once for each line on the
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

#endif
