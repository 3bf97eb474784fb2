/* SPDX-License-Identifier: MIT
 *
 * pprof_past.h - the CPU profile of a past interval.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_PAST_H
#define TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_PAST_H

#include "handlers/diagnostics/pprof/pprof.h"

struct trace_filter;

/* pprof_past_is_wanted tells whether a request asks for the past: ?ago= or ?from=. */
bool pprof_past_is_wanted(struct http_request *req);

/* pprof_past_respond answers with the profile of the seconds that began ?ago=, a duration, or at
 * ?from=, milliseconds since 1970: 400 for what is no such time, 404 when it is not covered, both
 * with what can be asked for.
 *
 * seconds: without ?seconds= less, so that they end now.
 */
void pprof_past_respond(const struct pprof *pprof, struct http_request *req, uint64_t seconds,
                        const struct trace_filter *traces);

#endif
