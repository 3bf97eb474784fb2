/* SPDX-License-Identifier: MIT
 *
 * http_times.h - where the time of a request went, as sums by state.
 */
#ifndef TOQ_CORE_HTTP_HTTP_TIMES_H
#define TOQ_CORE_HTTP_HTTP_TIMES_H

#include "core/http/http.h"

/* How long the request ran, and how long it waited for what; together the time since its first
 * byte. */
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

/* http_times_get adds up a request's time until now by the states of its trail; what follows the
 * last change of a full trail is `other`. All zero for a request that has ended.
 *
 * now_ns: clock_now_ns.
 * Thread: the loop.
 */
struct http_times http_times_get(const struct http_request *req, uint64_t now_ns);

/* http_times_add adds a Server-Timing field to an answer: "cpu;dur=0.125, mysql;dur=2.007,
 * redis;dur=0.000, queue;dur=0.310", in milliseconds. `queue` is the wait for a connection of
 * MySQL's pool and for the loop. Answers of gRPC (is_bare) go without.
 *
 * timed:   room for the copy of the response; its fields lie in the request's arena.
 * Returns: `timed`; or `response` when it is bare, or memory is missing.
 * Source:  W3C Server Timing.
 */
const struct http_response *http_times_add(struct http_request *req,
                                           const struct http_response *response,
                                           struct http_response *timed);

#endif
