/* SPDX-License-Identifier: MIT
 *
 * access_log.h - a line in the log for each request, or for one in so many, and at most so many
 * lines a second.
 *
 * Thread: the listener's loop.
 */
#ifndef TOQ_CORE_OBSERVE_ACCESS_LOG_H
#define TOQ_CORE_OBSERVE_ACCESS_LOG_H

#include "core/http/observer.h"
#include "core/loop/loop.h"
#include "core/telemetry/log.h"

struct access_log_options {
    const char *name;   /* the listener's, a literal */
    uint64_t every;     /* one line for this many requests; 0: none */
    uint64_t max_per_s; /* lines; 0: no limit */
    enum log_level level;
};

struct access_log;

/* access_log_create makes the access log of a listener.
 *
 * options: copied.
 * Returns: the log; NULL when memory is missing.
 */
MUST_USE struct access_log *access_log_create(struct loop *loop,
                                              const struct access_log_options *options);

/* access_log_destroy frees it; takes NULL. */
void access_log_destroy(struct access_log *log);

/* access_log_on_end is an http_end_fn, for a log whose `every` is not 0. The request's task is
 * current meanwhile, so that the line has its trace.
 *
 * ctx: a struct access_log.
 */
void access_log_on_end(void *ctx, struct http_request *req, struct http_end *end);

/* access_log_flush logs how many lines were left out in this second, if any; takes NULL. */
void access_log_flush(struct access_log *log);

#endif
