/* SPDX-License-Identifier: MIT
 *
 * requests.h - /debug/requests: the requests in flight, and recent ones that were slow, failed or
 * expensive.
 *
 * Flow:   requests_view_create -> [worker] stacks and text -> the answer
 * Thread: the loop of diagnostics, which answers while the work loop is held.
 */
#ifndef TOQ_HANDLERS_DIAGNOSTICS_PPROF_REQUESTS_H
#define TOQ_HANDLERS_DIAGNOSTICS_PPROF_REQUESTS_H

#include "handlers/diagnostics/pprof/pprof.h"
#include "handlers/diagnostics/requests/requests_store.h"

struct requests {
    const struct pprof *pprof; /* its token, loop and threads */
    struct requests_store store;
    struct wheel_timer drain;
    const char *jaeger_ui; /* where a trace can be looked at; "" for nowhere */
    pid_t work_tid;        /* of the work loop */
};

/* requests_start begins to take records, while the loop does not run. */
void requests_start(struct requests *requests, struct http_records *records);

/* requests_stop ends that, when the loop does not run any more. Harmless when it was not
 * started. */
void requests_stop(struct requests *requests);

/* requests_handle answers GET /debug/requests with a page, or with text or JSON as ?format= says;
 * ?route=, ?state=, ?older= and ?trace_id= choose. */
void requests_handle(struct http_request *req, void *requests);

/* requests_handle_css answers with the style of the page. */
void requests_handle_css(struct http_request *req, void *requests);

#endif
