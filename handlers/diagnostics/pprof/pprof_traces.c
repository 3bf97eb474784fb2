/* SPDX-License-Identifier: MIT
 *
 * pprof_traces.c - ?trace_id= and ?labels=trace.
 */
#include "core/base/hex.h"
#include "handlers/diagnostics/pprof/pprof_respond.h"
#include "profiling/write/trace_filter.h"

bool pprof_parse_trace_id(struct str text, uint8_t ret_id[TRACE_ID_BYTES])
{
    uint8_t any = 0;
    if (text.len != TRACE_ID_LEN) {
        return false;
    }
    for (size_t i = 0; i < TRACE_ID_BYTES; i++) {
        const int high = hex_value(text.ptr[2 * i]);
        const int low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_id[i] = (uint8_t)(high << 4 | low);
        any |= ret_id[i];
    }
    return any != 0;
}

/* read_traces reads the parameters. Returns: NULL; the sentence that says what is wrong. */
static const char *read_traces(struct http_request *req, struct trace_filter *ret_traces)
{
    struct str text;
    struct trace_filter traces = {0};
    uint8_t id[TRACE_ID_BYTES];
    if (http_query_get(req, STR("trace_id"), &text)) {
        if (!pprof_parse_trace_id(text, id)) {
            return PPROF_BAD_TRACE_ID;
        }
        traces.is_one = true;
        memcpy(traces.trace_id, id, sizeof(traces.trace_id));
    }
    if (http_query_get(req, STR("labels"), &text)) {
        if (!str_equal(text, STR("trace"))) {
            return "invalid value for \"labels\" - must be trace";
        }
        traces.has_labels = true;
    }
    *ret_traces = traces;
    return NULL;
}

bool pprof_read_traces(struct http_request *req, struct trace_filter *ret_traces)
{
    const char *problem = read_traces(req, ret_traces);
    if (problem != NULL) {
        pprof_respond_error(req, 400, problem);
    }
    return problem == NULL;
}
