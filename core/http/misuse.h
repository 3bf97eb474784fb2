/* SPDX-License-Identifier: MIT
 *
 * misuse.h - handlers that break the rules of http.h: detected before anything is touched, so that
 * no other request is harmed.
 *
 * A call for a request that was cancelled and has ended is late: any peer that hangs up can bring
 * it about, so it is dropped, counted, and logged once a route and minute. A call for a request
 * that was answered and has ended is a mistake of the handler's: MISUSE=abort ends the process
 * there, MISUSE=log (survives_misuse of the server) drops the call at ERROR. Both lines have the
 * stack, as offsets for addr2line.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_MISUSE_H
#define TOQ_CORE_HTTP_MISUSE_H

#include "core/http/http.h"

/* misuse_found counts or logs a call that the request's state does not allow. If it returns, the
 * caller drops the call.
 *
 * req: in any state, its memory held. call: "http_respond", a literal.
 */
void misuse_found(struct http_request *req, const char *call);

/* misuse_report is misuse_found for a call that is wrong in itself.
 *
 * problem: a literal.
 */
void misuse_report(struct http_request *req, const char *call, const char *problem);

#endif
