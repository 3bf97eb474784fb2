/* SPDX-License-Identifier: MIT
 *
 * http_trace.c - which trace a request belongs to, read from its fields when somebody asks first;
 * and what its caller is told.
 */
#include "core/http/http_trace.h"

#include "core/http/http_span.h"
#include "core/http/server.h"
#include "core/telemetry/baggage.h"

/* join_or_none: a caller's trace is not worth a 503. */
static struct str join_or_none(struct http_request *req, struct str name)
{
    struct str value;
    return http_header_join(req, name, &value) == 0 ? value : (struct str){NULL, 0};
}

const struct trace_context *http_trace(struct http_request *req)
{
    if (!trace_has_begun(&req->trace)) {
        struct trace_context caller;
        const struct str parent = join_or_none(req, STR("traceparent"));
        const bool has_caller =
            parent.len > 0 && trace_parse(parent, join_or_none(req, STR("tracestate")), &caller);
        trace_begin(has_caller ? &caller : NULL, &req->trace);
        if (req->server->spans != NULL) {
            const bool is_wanted =
                sampler_wants(&req->server->spans->sampler, &req->trace, has_caller);
            req->trace.flags =
                (uint8_t)((req->trace.flags & ~TRACE_SAMPLED) | (is_wanted ? TRACE_SAMPLED : 0));
            req->sampling = is_wanted ? HTTP_SAMPLED : HTTP_UNSAMPLED;
        }
        task_show_trace(&req->task, &req->trace);
    }
    return &req->trace;
}

struct str http_baggage(struct http_request *req)
{
    const struct str baggage = join_or_none(req, STR("baggage"));
    return baggage_is_valid(baggage) ? baggage : (struct str){NULL, 0};
}

bool http_trace_is_sampled(struct http_request *req)
{
    if (req->sampling == HTTP_SAMPLING_OPEN) {
        const struct sampler *sampler = &req->server->spans->sampler;
        const bool needs_caller = sampler->kind == SAMPLER_PARENT_ALWAYS_OFF;
        req->sampling = HTTP_UNSAMPLED;
        if (!sampler_is_off(sampler) &&
            (!needs_caller || http_header_get(req, STR("traceparent")).ptr != NULL)) {
            (void)http_trace(req); /* decides */
        }
    }
    return req->sampling == HTTP_SAMPLED;
}

/* wants_trace: who asked in a trace of its own is told, and who may look for the spans. */
static bool wants_trace(struct http_request *req)
{
    static const uint8_t none[TRACE_SPAN_ID_BYTES];
    return req->server->spans != NULL &&
           (http_trace_is_sampled(req) || memcmp(req->trace.parent_id, none, sizeof(none)) != 0);
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
