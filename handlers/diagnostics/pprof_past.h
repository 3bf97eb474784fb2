/* SPDX-License-Identifier: MIT
 *
 * pprof_past.h - the CPU profile of a time that is over.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_PPROF_PAST_H
#define TOQ_HANDLERS_DIAGNOSTICS_PPROF_PAST_H

#include "handlers/diagnostics/pprof.h"

/* pprof_past_respond answers with the profile of the seconds that began `ago`: 400 for what is no
 * such time, 404 when it is not covered, both with what can be asked for.
 *
 * ago: a duration, see core/base/duration.h. seconds: without ?seconds= less, so that they end now.
 */
void pprof_past_respond(const struct pprof *pprof, struct http_request *req, struct str ago,
                        uint64_t seconds);

#endif
