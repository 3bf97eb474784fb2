/* SPDX-License-Identifier: MIT
 *
 * pprof_respond.h - the three shapes of answer that Go's pprof handlers give.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_RESPOND_H
#define TOQ_HANDLERS_DIAGNOSTICS_PPROF_PPROF_RESPOND_H

#include "handlers/diagnostics/pprof/pprof.h"

#define PPROF_BAD_TRACE_ID                                                                         \
    "invalid value for \"trace_id\" - must be 32 hexadecimal digits in lower case"

struct trace_filter;

/* pprof_is_allowed checks the token, and ends the request with 401 when it is missing.
 *
 * Returns: true when the handler may go on; false when the request has ended.
 */
MUST_USE bool pprof_is_allowed(const struct pprof *pprof, struct http_request *req);

/* pprof_respond_error ends the request as serveError does: text, X-Go-Pprof: 1, the message and a
 * newline. */
void pprof_respond_error(struct http_request *req, int status, const char *message);

/* pprof_respond_failure ends the request with 500, what could not be done, and why:
 * profiler_strerror. */
void pprof_respond_failure(struct http_request *req, const char *what, int status);

/* pprof_respond_text ends the request with text/plain. */
void pprof_respond_text(struct http_request *req, struct str body);

/* pprof_send ends the request with a body of any size, in pieces as the client takes them.
 *
 * name: of the attachment; NULL for text/plain.
 * Owns: data is freed with free(), when the last piece is sent or the client has left.
 */
void pprof_send(struct http_request *req, const char *name, char *data, size_t len);

/* pprof_send_json is pprof_send with JSON. */
void pprof_send_json(struct http_request *req, char *data, size_t len);

/* pprof_has_format checks ?format=, and ends the request with 400 when it names none.
 *
 * Returns: true when the handler may go on; false when the request has ended.
 */
MUST_USE bool pprof_has_format(struct http_request *req);

/* pprof_parse_trace_id reads a trace id: 32 hexadecimal digits in lower case, not all of them 0. */
MUST_USE bool pprof_parse_trace_id(struct str text, uint8_t ret_id[TRACE_ID_BYTES]);

/* pprof_read_traces reads ?trace_id= and ?labels=trace, and ends the request with 400 when one of
 * them is wrong.
 *
 * ret_traces: all zero without them.
 * Returns: true when the handler may go on; false when the request has ended.
 */
MUST_USE bool pprof_read_traces(struct http_request *req, struct trace_filter *ret_traces);

/* pprof_send_profile ends the request with a profile, in the format that ?format= names: as an
 * attachment of that name, or as text or JSON, which a worker thread makes.
 *
 * Owns: data is freed with free().
 */
void pprof_send_profile(const struct pprof *pprof, struct http_request *req, const char *name,
                        char *data, size_t len);

/* pprof_send_profile_copy is pprof_send_profile with a copy of `data`. */
void pprof_send_profile_copy(const struct pprof *pprof, struct http_request *req, const char *name,
                             const char *data, size_t len);

/* pprof_respond_dump ends the request with all that is in flight as text: goroutine?debug=2, and
 * goroutineleak?debug=2, which is the same. */
void pprof_respond_dump(const struct pprof *pprof, struct http_request *req,
                        const struct trace_filter *traces);

#endif
