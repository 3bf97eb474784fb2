/* SPDX-License-Identifier: MIT
 *
 * problem.c - writes one JSON object: type, title, status, detail, code, errors, the trace id.
 */
#include "core/http/problem.h"

#include "core/base/hex.h"

static void put_errors(struct buf *body, const struct field_error *errors, size_t count)
{
    buf_append_cstr(body, ",\"errors\":[");
    for (size_t i = 0; i < count; i++) {
        buf_append_cstr(body, i == 0 ? "{\"field\":" : ",{\"field\":");
        buf_append_json(body, errors[i].field);
        buf_append_cstr(body, ",\"message\":");
        buf_append_json(body, str_from(errors[i].message));
        buf_append_char(body, '}');
    }
    buf_append_char(body, ']');
}

void problem_append(struct buf *body, struct http_request *req, const struct problem *problem)
{
    buf_append_cstr(body, "{\"type\":\"about:blank\",\"title\":");
    buf_append_json(body, str_from(http_status_reason(problem->status)));
    buf_printf(body, ",\"status\":%d", problem->status);
    if (problem->detail != NULL) {
        buf_append_cstr(body, ",\"detail\":");
        buf_append_json(body, str_from(problem->detail));
    }
    if (problem->code != NULL) {
        buf_append_cstr(body, ",\"code\":");
        buf_append_json(body, str_from(problem->code));
    }
    if (problem->error_count > 0) {
        put_errors(body, problem->errors, problem->error_count);
    }
    char trace_id[TRACE_ID_LEN];
    hex_encode(http_trace(req)->trace_id, TRACE_ID_BYTES, trace_id);
    buf_append_cstr(body, ",\"trace_id\":\"");
    buf_append(body, trace_id, sizeof(trace_id));
    buf_append_cstr(body, "\"}\n");
}

void problem_respond(struct http_request *req, const struct problem *problem)
{
    char seconds[20];
    struct http_header headers[2];
    size_t header_count = 0;
    if (problem->retry_after_s > 0) {
        headers[header_count++] = (struct http_header){
            STR("Retry-After"), {seconds, str_format_u64(seconds, problem->retry_after_s)}};
    }
    if (problem->header != NULL) {
        headers[header_count++] = *problem->header;
    }
    struct buf body;
    buf_init(&body, PROBLEM_MAX_BYTES);
    problem_append(&body, req, problem);
    const struct http_response response = {
        .status = problem->status,
        .content_type = "application/problem+json",
        .body = buf_str(&body),
        .headers = headers,
        .header_count = header_count,
    };
    if (body.is_failed) {
        http_respond_error(req, problem->status, NULL);
    } else {
        http_respond(req, &response);
    }
    buf_deinit(&body);
}
