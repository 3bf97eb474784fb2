/* SPDX-License-Identifier: MIT
 *
 * http_trace.h - the trace of a request in the fields of its answer. http.h has what is read of a
 * request's own: http_trace and http_baggage.
 *
 * Thread: the server's loop.
 */
#ifndef TOQ_CORE_HTTP_HTTP_TRACE_H
#define TOQ_CORE_HTTP_HTTP_TRACE_H

#include "core/http/http.h"

#define TRACED_HEADERS_MAX 15 /* of an answer that a field is added to */

/* Room for an answer with one more field; the caller's, as long as the answer is used. */
struct http_traced {
    struct http_response response;
    struct http_header headers[TRACED_HEADERS_MAX + 1];
    char text[TRACE_PARENT_LEN];
};

/* http_trace_is_sampled decides whether a request of a server that exports is sampled, without
 * beginning its trace where no trace is needed for that. */
bool http_trace_is_sampled(struct http_request *req);

/* http_trace_show is a http_begin_fn. It begins the trace of a request whose ids are known before
 * its handler runs, a caller's or those of a sampled one, so that profiles of the handler have
 * them. */
void http_trace_show(struct http_request *req);

/* http_trace_add adds `traceresponse` to an answer where spans are exported: the trace, and the
 * span that served it. Not of a request that is neither sampled nor in a trace of its caller's.
 *
 * Returns: the response itself, or that in `traced`.
 * Source:  W3C Trace Context, level 2 (draft): traceresponse.
 */
const struct http_response *http_trace_add(struct http_request *req,
                                           const struct http_response *response,
                                           struct http_traced *traced);

#endif
