/* SPDX-License-Identifier: MIT
 *
 * trace.h - trace context: the ids of the trace that a piece of work belongs to, and the header
 * fields that carry them.
 *
 * Flow:    traceparent, tracestate -> trace_parse -> trace_begin -> trace_format -> traceparent
 * Failure: a malformed traceparent counts as none, and a new trace begins; a malformed tracestate
 *          is dropped.
 * Memory:  nothing is allocated.
 * Source:  W3C Trace Context, level 1; of level 2 the random flag, and keys that begin with a
 *          digit.
 */
#ifndef TOQ_CORE_TELEMETRY_TRACE_H
#define TOQ_CORE_TELEMETRY_TRACE_H

#include "core/base/str.h"
#include "core/base/trace_ids.h"

#define TRACE_ID_BYTES      16
#define TRACE_SPAN_ID_BYTES 8

/* As text: lower-case hexadecimal, without a NUL. */
#define TRACE_ID_LEN      (2 * TRACE_ID_BYTES)
#define TRACE_SPAN_ID_LEN (2 * TRACE_SPAN_ID_BYTES)
#define TRACE_PARENT_LEN  (3 + TRACE_ID_LEN + 1 + TRACE_SPAN_ID_LEN + 3) /* a traceparent: 55 */

/* The flags that are known; others are not passed on. */
#define TRACE_SAMPLED 0x01 /* the caller may have recorded it */
#define TRACE_RANDOM  0x02 /* the trace id is random, so that its end can decide on sampling */

struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[TRACE_SPAN_ID_BYTES];   /* all zero: trace_begin was not called yet */
    uint8_t parent_id[TRACE_SPAN_ID_BYTES]; /* the caller's span_id; all zero: there is none */
    uint8_t flags;
    struct str tracestate; /* to be passed on as it came; borrowed */
};

/* trace_parse reads what a caller sent.
 *
 * tracestate: several fields are joined by commas; empty for none.
 * Owns:    ret_caller->tracestate is a part of `tracestate`, empty when that is malformed.
 * Returns: true with *ret_caller set, whose span_id is the caller's; false when traceparent is
 *          malformed.
 * Thread:  any.
 */
MUST_USE bool trace_parse(struct str traceparent, struct str tracestate,
                          struct trace_context *ret_caller);

/* trace_begin begins a span: the caller's trace goes on, or one begins that is not sampled. Two
 * numbers give the same ids with a probability of 1 in 2^64; whoever has seen some ids may predict
 * others.
 *
 * caller: NULL for none.
 * number: of the span in this process, of which no other span has it: a task's id.
 * Thread: any.
 */
void trace_begin(const struct trace_context *caller, uint64_t number,
                 struct trace_context *ret_context);

/* trace_own_ids is what trace_begin makes of a number without a caller.
 *
 * Thread: any, signal.
 */
void trace_own_ids(uint64_t number, struct trace_ids *ret_ids);

/* trace_own_end is the end of the trace id that trace_begin gives a span without a caller, as a
 * number: so that samplers may decide before it begins.
 *
 * Thread: any.
 */
uint64_t trace_own_end(uint64_t number);

/* trace_child_id makes the id of a span below another one: the same each time for the same number,
 * so that what is sent to another server need not be kept for the span that is exported later.
 *
 * Thread: any.
 */
void trace_child_id(const uint8_t parent[TRACE_SPAN_ID_BYTES], uint32_t number,
                    uint8_t ret_id[TRACE_SPAN_ID_BYTES]);

/* trace_has_begun tells whether trace_begin made the context; all zero it is none.
 *
 * Thread: any.
 */
bool trace_has_begun(const struct trace_context *context);

/* trace_format writes the traceparent that goes with a call on behalf of the span, without a NUL.
 *
 * out: TRACE_PARENT_LEN.
 * Thread: any.
 */
void trace_format(const struct trace_context *context, char *out);

#endif
