/* SPDX-License-Identifier: MIT
 *
 * http_times.h - where the time of a request went, as sums by state.
 */
#ifndef TOQ_CORE_HTTP_HTTP_TIMES_H
#define TOQ_CORE_HTTP_HTTP_TIMES_H

#include "core/http/http.h"

/* In nanoseconds; together they are the time from its first byte on. */
struct http_times {
    uint64_t running_ns;
    uint64_t mysql_ns;
    uint64_t mysql_pool_ns; /* for a connection of the pool */
    uint64_t redis_ns;
    uint64_t upstream_ns;
    uint64_t write_ns;
    uint64_t loop_ns; /* for the loop, which worked for others */
    uint64_t other_ns;
};

/* http_times_get adds up a request's time until now, as far as its trail tells; what a full trail
 * does not tell is `other`.
 *
 * now_ns: clock_now_ns.
 * Thread: the loop.
 */
struct http_times http_times_get(const struct http_request *req, uint64_t now_ns);

#endif
