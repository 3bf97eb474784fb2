/* SPDX-License-Identifier: MIT
 *
 * http_span.c - the decision at the end of a request, and its record.
 */
#include "core/http/http_span.h"

#include <stdio.h>

#include "core/http/http_trace.h"
#include "core/http/server.h"
#include "core/http/transport.h"

static void copy_text(char *out, size_t size, struct str s)
{
    s.len = s.len < size ? s.len : size - 1;
    *str_put(out, s) = '\0';
}

/* has_failed: a client's mistake is no error of the server's span. */
static bool has_failed(const struct http_request *req)
{
    return req->rpc_status == NULL ? req->status >= 500 : req->is_rpc_fault;
}

/* has_held tells whether the request ran for hold_ns at a stretch, as far as its trail goes. */
static bool has_held(const struct task_trail *trail, uint64_t now_ns, uint64_t hold_ns)
{
    uint64_t since_ns = trail->facts.start_ns;
    bool is_running = task_trail_first(trail) == task_state_running;
    for (uint32_t i = 0; i < trail->change_count; i++) {
        const struct task_change *change = &trail->changes[i];
        if (task_is_note(change)) {
            continue;
        }
        if (is_running && change->when_ns - since_ns >= hold_ns) {
            return true;
        }
        is_running = change->state == task_state_running;
        since_ns = change->when_ns;
    }
    return is_running && trail->lost_count == 0 && now_ns - since_ns >= hold_ns;
}

static void fill(struct span_record *record, struct http_request *req, uint64_t now_ns)
{
    const struct trace_context *trace = http_trace(req); /* begins now, unless it has begun */
    record->end_ns = now_ns;
    record->method = http_method_name(req->method);
    record->version = req->transport->version;
    record->rpc_status = req->rpc_status;
    record->status = req->status;
    memcpy(record->trail.span.trace_id, trace->trace_id, sizeof(trace->trace_id));
    memcpy(&record->trail.span.span_id, trace->span_id, sizeof(trace->span_id));
    memcpy(&record->trail.span.parent_id, trace->parent_id, sizeof(trace->parent_id));
    record->trail.span.flags = trace->flags;
    copy_text(record->path, sizeof(record->path), req->path);
    copy_text(record->host, sizeof(record->host), req->host);
    copy_text(record->user_agent, sizeof(record->user_agent),
              http_header_get(req, STR("user-agent")));
    record->tracestate[0] = '\0';
    if (trace->tracestate.len < sizeof(record->tracestate)) { /* half of one would be malformed */
        copy_text(record->tracestate, sizeof(record->tracestate), trace->tracestate);
    }
}

/* keep records a request if it is to be exported. Returns: whether it was recorded. */
static __attribute__((noinline)) bool keep(const struct http_spans *spans, struct http_request *req,
                                           uint64_t now_ns)
{
    const uint64_t took_ns = now_ns - req->task.start_ns;
    const bool is_head = http_trace_is_sampled(req);
    const bool is_failed = has_failed(req);
    const bool is_slow = spans->slow_ns > 0 && took_ns >= spans->slow_ns &&
                         (req->route->flags & (ROUTE_LONG | ROUTE_STREAM)) == 0;
    const bool may_have_held = spans->hold_ns > 0 && took_ns >= spans->hold_ns;
    if (LIKELY(!is_head && !is_failed && !is_slow && !may_have_held)) {
        return false;
    }
    struct task_trail trail;
    if (!task_slots_copy_trail(req->task.slot, &trail) ||
        (!is_head && !is_failed && !is_slow && !has_held(&trail, now_ns, spans->hold_ns))) {
        return false;
    }
    trail.facts.costs = task_get_costs(&req->task); /* as of now, not of its last callback */
    struct span_record *record = span_ring_reserve(spans->ring);
    if (record != NULL) {
        record->trail = trail;
        record->is_tail = !is_head;
        record->has_failed = is_failed;
        fill(record, req, now_ns);
        req->transport->format_peer(req, record->peer);
        span_ring_commit(spans->ring);
    }
    return record != NULL;
}

void http_spans_on_end(void *ctx, struct http_request *req, struct http_end *end)
{
    const struct http_server *server = ctx;
    const struct http_spans *spans = server->spans;
    if (req->sampling != HTTP_UNSAMPLED || has_failed(req) ||
        end->now_ns - req->task.start_ns >= spans->look_ns) {
        end->is_kept = keep(spans, req, end->now_ns);
    }
}
