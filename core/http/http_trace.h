/* SPDX-License-Identifier: MIT
 *
 * http_trace.h - whether a request is sampled, and its trace in the fields of its answer. http.h
 * has what handlers ask: http_trace and http_baggage.
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

/* http_trace_is_sampled decides whether a request is sampled, once; its trace begins only where the
 * decision needs it. The server exports spans: server->spans is not NULL. */
bool http_trace_is_sampled(struct http_request *req);

/* http_trace_show is an http_begin_fn. It begins the trace of a request that is sampled or has a
 * traceparent, so that profiles of its handler show the ids. */
void http_trace_show(struct http_request *req);

/* http_trace_add adds a `traceresponse` field to an answer where spans are exported: the trace, and
 * the span that served it. Answers of requests that are neither sampled nor in a trace of their
 * caller, and those with more than TRACED_HEADERS_MAX fields, go without.
 *
 * Returns: `response`, or the one in `traced`, which is used as long.
 * Source:  W3C Trace Context, level 2 (draft): traceresponse.
 */
const struct http_response *http_trace_add(struct http_request *req,
                                           const struct http_response *response,
                                           struct http_traced *traced);

#endif
