/* SPDX-License-Identifier: MIT
 *
 * fuzz_trace.c - any text as traceparent and tracestate: what is taken from it goes out as it came
 * in.
 *
 * Input: the traceparent, a newline, the tracestate.
 */
#include "core/telemetry/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* check_taken compares what a span of the caller's trace sends on with what the caller sent. */
static void check_taken(const struct trace_context *caller, struct str traceparent, size_t size)
{
    struct trace_context context;
    struct trace_context next;
    char text[TRACE_PARENT_LEN];
    INVARIANT(trace_has_begun(caller) && traceparent.len >= sizeof(text));
    trace_format(caller, text);
    INVARIANT(memcmp(text + 2, traceparent.ptr + 2, sizeof(text) - 2) == 0);
    trace_begin(caller, size, &context);
    trace_format(&context, text);
    INVARIANT(trace_parse((struct str){text, sizeof(text)}, context.tracestate, &next));
    INVARIANT(memcmp(next.trace_id, caller->trace_id, sizeof(next.trace_id)) == 0);
    INVARIANT(memcmp(next.span_id, context.span_id, sizeof(next.span_id)) == 0);
    INVARIANT(memcmp(context.parent_id, caller->span_id, sizeof(context.parent_id)) == 0);
    INVARIANT(str_equal(next.tracestate, caller->tracestate));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str tracestate = {size == 0 ? "" : (const char *)data, size};
    struct str traceparent;
    struct trace_context caller;
    if (str_next_field(&tracestate, '\n', &traceparent) &&
        trace_parse(traceparent, tracestate, &caller)) {
        check_taken(&caller, traceparent, size);
    }
    return 0;
}
