/* SPDX-License-Identifier: MIT
 *
 * trouble.h - triggers a recording after a slow answer, and after many answers of 5xx within a
 * second. Not for the listeners of diagnostics: a second capture at once is refused with 500, and
 * many of those would displace the recordings of what went wrong.
 *
 * Thread: a loop's; trouble_set_limits before it runs.
 */
#ifndef TOQ_CORE_OBSERVE_TROUBLE_H
#define TOQ_CORE_OBSERVE_TROUBLE_H

#include "core/http/http.h"
#include "core/http/observer.h"

/* The limits, and the errors of one second, of the servers of a loop. */
struct trouble {
    uint64_t slow_limit_ns; /* UINT64_MAX: none */
    uint64_t error_limit;   /* as slow_limit_ns */
    uint64_t second;
    uint64_t errors; /* in it */
};

/* trouble_set_limits sets what is slow and how many errors are many.
 *
 * slow_ms: of a request with a deadline whose route has no ROUTE_SLOW_MS; 0: no request is slow,
 *          whatever its route has.
 * errors:  answers of 5xx in a second; 0: they trigger nothing.
 */
void trouble_set_limits(struct trouble *trouble, uint64_t slow_ms, uint64_t errors);

/* trouble_on_end is an http_end_fn, not for servers of diagnostics. ctx: a struct trouble. */
void trouble_on_end(void *ctx, struct http_request *req, struct http_end *end);

#endif
