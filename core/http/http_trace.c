/* SPDX-License-Identifier: MIT
 *
 * http_trace.c - which trace a request belongs to, read from its fields at the first question; and
 * the field of the answer that names it.
 */
#include "core/http/http_trace.h"

#include "core/http/http_span.h"
#include "core/http/server.h"
#include "core/telemetry/baggage.h"

/* join_or_none: without memory the request goes on without its caller's trace. */
static struct str join_or_none(struct http_request *req, struct str name)
{
    struct str value;
    return http_header_join(req, name, &value) == 0 ? value : (struct str){NULL, 0};
}

/* has_parent tells whether a request has a traceparent. Each request passes here, so lengths are
 * compared before letters. */
static inline bool has_parent(const struct http_request *req)
{
    const struct str name = STR("traceparent");
    for (size_t i = 0; i < req->header_count; i++) {
        if (UNLIKELY(req->headers[i].name.len == name.len) &&
            str_equal_nocase(req->headers[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* decide sets whether the request is sampled, unless that is known, and the flag of its trace. */
static void decide(struct http_request *req, bool has_caller)
{
    const struct http_spans *spans = req->server->spans;
    if (spans != NULL && req->sampling == HTTP_SAMPLING_OPEN) {
        req->sampling =
            sampler_wants(&spans->sampler, &req->trace, has_caller) ? HTTP_SAMPLED : HTTP_UNSAMPLED;
    }
    if (spans != NULL) {
        req->trace.flags = (uint8_t)((req->trace.flags & ~TRACE_SAMPLED) |
                                     (req->sampling == HTTP_SAMPLED ? TRACE_SAMPLED : 0));
    }
}

static bool read_caller(struct http_request *req, struct trace_context *ret_caller)
{
    const struct str parent = join_or_none(req, STR("traceparent"));
    return parent.len > 0 && trace_parse(parent, join_or_none(req, STR("tracestate")), ret_caller);
}

/* begin begins the request's span: in its caller's trace, or in one of its own. */
static void begin(struct http_request *req)
{
    struct trace_context caller;
    const bool has_caller = !req->is_root && read_caller(req, &caller);
    trace_begin(has_caller ? &caller : NULL, req->task.id, &req->trace);
    decide(req, has_caller);
    task_show_trace(&req->task, &req->trace);
}

const struct trace_context *http_trace(struct http_request *req)
{
    if (!trace_has_begun(&req->trace)) {
        begin(req);
    }
    return &req->trace;
}

struct str http_baggage(struct http_request *req)
{
    const struct str baggage = join_or_none(req, STR("baggage"));
    return baggage_is_valid(baggage) ? baggage : (struct str){NULL, 0};
}

/* decide_root is for a request without a traceparent: the end of its trace's id suffices. */
static bool decide_root(struct http_request *req)
{
    const bool is_sampled =
        sampler_wants_own(&req->server->spans->sampler, trace_own_end(req->task.id));
    req->sampling = is_sampled ? HTTP_SAMPLED : HTTP_UNSAMPLED;
    return is_sampled;
}

bool http_trace_is_sampled(struct http_request *req)
{
    if (req->sampling == HTTP_SAMPLING_OPEN) {
        if (sampler_is_off(&req->server->spans->sampler)) {
            req->sampling = HTTP_UNSAMPLED;
        } else if (!has_parent(req)) {
            (void)decide_root(req);
        } else {
            begin(req);
        }
    }
    return req->sampling == HTTP_SAMPLED;
}

void http_trace_show(struct http_request *req)
{
    req->is_root = !has_parent(req);
    if (UNLIKELY(!req->is_root || (req->server->spans != NULL && decide_root(req)))) {
        (void)http_trace(req);
    }
}

/* wants_trace tells whether the answer names its span: to a caller that sent a traceparent, and
 * where the request is sampled, so that its spans can be found. */
static bool wants_trace(struct http_request *req)
{
    uint64_t parent_id;
    if (LIKELY(req->server->spans == NULL) || http_trace_is_sampled(req)) {
        return req->server->spans != NULL;
    }
    memcpy(&parent_id, req->trace.parent_id, sizeof(parent_id));
    return parent_id != 0;
}

const struct http_response *http_trace_add(struct http_request *req,
                                           const struct http_response *response,
                                           struct http_traced *traced)
{
    if (LIKELY(!wants_trace(req)) || response->header_count > TRACED_HEADERS_MAX) {
        return response;
    }
    const size_t count = response->header_count;
    trace_format(http_trace(req), traced->text);
    if (count > 0) {
        memcpy(traced->headers, response->headers, count * sizeof(traced->headers[0]));
    }
    traced->headers[count] =
        (struct http_header){STR("traceresponse"), {traced->text, sizeof(traced->text)}};
    traced->response = *response;
    traced->response.headers = traced->headers;
    traced->response.header_count = count + 1;
    return &traced->response;
}
