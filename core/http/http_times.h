/* SPDX-License-Identifier: MIT
 *
 * http_times.h - where the time of a request went, as sums by state.
 */
#ifndef TOQ_CORE_HTTP_HTTP_TIMES_H
#define TOQ_CORE_HTTP_HTTP_TIMES_H

#include "core/http/http.h"

#define HTTP_TIMES_HEADER_BYTES 128

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

/* http_times_format writes the value of a Server-Timing field: "cpu;dur=0.125, mysql;dur=2.007,
 * redis;dur=0.000, queue;dur=0.310", in milliseconds. The queue is that for a connection of MySQL's
 * pool, and for the loop.
 *
 * out: HTTP_TIMES_HEADER_BYTES.
 * Returns: its length, without a NUL.
 * Source:  W3C Server Timing.
 */
size_t http_times_format(const struct http_request *req, uint64_t now_ns, char *out);

/* http_times_add adds a Server-Timing field to an answer of a server that wants it; not to one of
 * gRPC.
 *
 * timed:   room for the copy; the rest of it lies in the request's arena.
 * Returns: the copy; or the response as it is, when it is gRPC's or there is no memory for it.
 */
const struct http_response *http_times_add(struct http_request *req,
                                           const struct http_response *response,
                                           struct http_response *timed);

#endif
