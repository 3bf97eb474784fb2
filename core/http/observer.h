/* SPDX-License-Identifier: MIT
 *
 * observer.h - who is told of the requests of a server that have been answered: the access log, the
 * metrics, the spans and others. request.c knows none of them.
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
    /* the account of the request's CPU time, set by the observer that closes it, the metrics'; NULL
     * before that, or when the thread runs no loop: see usage_end */
    struct usage_ended *cpu;
    bool is_kept; /* with its trace, to be looked at: by the observers of spans and of records */
};

/* A http_begin_fn is told of a request whose handler is about to run. */
typedef void (*http_begin_fn)(struct http_request *req);

/* A http_end_fn is told of a request that has been answered, or whose peer has left; the request
 * lives, and its slot too. */
typedef void (*http_end_fn)(void *ctx, struct http_request *req, struct http_end *end);

struct http_observer {
    http_end_fn on_end; /* NULL: there are no more */
    void *ctx;
};

#endif
