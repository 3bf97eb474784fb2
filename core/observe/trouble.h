/* SPDX-License-Identifier: MIT
 *
 * trouble.h - answers after which the recording is worth keeping: one that took long, and many
 * of 5xx within a second. Those of diagnostics are not: a second capture is refused by 500, and
 * many of them would drive out the recordings of what went wrong.
 *
 * Thread: a loop's; trouble_set_limits before any runs.
 */
#ifndef TOQ_CORE_OBSERVE_TROUBLE_H
#define TOQ_CORE_OBSERVE_TROUBLE_H

#include "core/http/http.h"
#include "core/http/observer.h"

/* trouble_set_limits says what is much.
 *
 * slow_ms: of a request with a deadline whose route has no ROUTE_SLOW_MS; 0: never,
 * whatever its route says. errors: answers of 5xx in a second; 0: never.
 */
void trouble_set_limits(uint64_t slow_ms, uint64_t errors);

/* Errors of one second, of the servers of a loop. */
struct trouble {
    uint64_t second;
    uint64_t errors; /* in it */
};

/* trouble_on_end is a http_end_fn, for servers that are not diagnostics'; ctx: a struct trouble. */
void trouble_on_end(void *ctx, struct http_request *req, struct http_end *end);

#endif
