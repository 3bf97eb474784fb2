/* SPDX-License-Identifier: MIT
 *
 * access_log.h - which requests get a line in the log: each, or one in so many, and no more than so
 * many a second.
 *
 * Thread: the listener's loop.
 */
#ifndef TOQ_CORE_HTTP_ACCESS_LOG_H
#define TOQ_CORE_HTTP_ACCESS_LOG_H

#include "core/loop/loop.h"
#include "core/telemetry/log.h"

struct access_log_options {
    const char *name;   /* of the listener, a literal */
    uint64_t every;     /* a line for one request in so many; 0: none */
    uint64_t max_per_s; /* lines; 0: no limit */
    enum log_level level;
};

struct access_log {
    struct loop *loop;
    const char *name;
    uint64_t every;
    uint64_t count; /* requests since the last that was to have a line */
    uint64_t max_per_s;
    uint64_t written_count; /* lines in this second, which the first one begins */
    uint64_t left_out_count;
    struct wheel_timer second; /* its end */
    enum log_level level;
};

/* access_log_init prepares the account of a listener.
 *
 * options: copied.
 */
void access_log_init(struct access_log *log, struct loop *loop,
                     const struct access_log_options *options);

/* access_log_deinit forgets it. */
void access_log_deinit(struct access_log *log);

/* access_log_wants counts a request that has been answered; `every` is not 0.
 *
 * Returns: whether its line is to be written.
 */
MUST_USE bool access_log_wants(struct access_log *log);

/* access_log_flush says how many lines have been left out, if any. */
void access_log_flush(struct access_log *log);

#endif
