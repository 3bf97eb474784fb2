/* SPDX-License-Identifier: MIT
 *
 * observer.h - callbacks for each answered request of a server: the access log, the metrics, the
 * spans and others. request.c knows none of them.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_OBSERVER_H
#define TOQ_CORE_HTTP_OBSERVER_H

#include "core/base/base.h"

struct http_request;
struct usage_ended;

#define HTTP_OBSERVERS_MAX 7

/* The end of an answer. */
struct http_end {
    uint64_t now_ns; /* clock_now_ns, when the answer was complete */
    /* the account of the request's CPU time, set by http_metrics_on_end, which closes it; NULL
     * before that, and on a thread that runs no loop: see usage_end */
    struct usage_ended *cpu;
    bool is_kept; /* a span or a record of the request was written: set by their observers */
};

/* An http_begin_fn runs right before the handler of a request. */
typedef void (*http_begin_fn)(struct http_request *req);

/* An http_end_fn runs once for a request that has been answered, or whose peer has left; the
 * request still has its task and its slot. */
typedef void (*http_end_fn)(void *ctx, struct http_request *req, struct http_end *end);

struct http_observer {
    http_end_fn on_end; /* NULL: there are no more */
    void *ctx;
};

#endif
