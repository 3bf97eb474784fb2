/* SPDX-License-Identifier: MIT
 *
 * log_limit.h - limits lines that a fault repeats thousands of times a second: writes the first,
 * counts the others.
 *
 * Flow:    LOG_LIMITED -> the first of its kind: log_event -> the same again within LOG_LIMIT_NS:
 *          counted -> the period is over: the line once more, with repeated=N, if there were any
 * Kind:    the same level, component, message and fields; so what differs each time (an id, a
 *          duration) is no field of a limited line. The ids of a trace at its end do not count.
 * Memory:  a table of fixed size; a kind that finds it full takes the place of the oldest, whose
 *          count is written then.
 * Thread:  any, as log_event.
 */
#ifndef TOQ_CORE_TELEMETRY_LOG_LIMIT_H
#define TOQ_CORE_TELEMETRY_LOG_LIMIT_H

#include "core/telemetry/log.h"

#define LOG_LIMIT_NS UINT64_C(10000000000)

/* log_limited is log_event for a line that may come again and again.
 *
 * Thread: any.
 */
void log_limited(enum log_level level, const char *component, const char *message,
                 const struct log_field *fields, size_t count);

/* LOG_LIMITED is LOG for a line that may come again and again. */
#define LOG_LIMITED(level, component, message, ...)                                                \
    do {                                                                                           \
        if (log_is_on(level)) {                                                                    \
            const struct log_field log_fields_[] = {__VA_ARGS__};                                  \
            log_limited((level), (component), (message), log_fields_, ARRAY_COUNT(log_fields_));   \
        }                                                                                          \
    } while (0)

/* log_limit_flush writes the counts of the periods that are over.
 *
 * now_ns: clock_now_ns; UINT64_MAX: all of them are.
 * Thread: any.
 */
void log_limit_flush(uint64_t now_ns);

/* log_limit_is_pending tells whether a period has begun that log_limit_flush is to end.
 *
 * Thread: any.
 */
bool log_limit_is_pending(void);

#endif
