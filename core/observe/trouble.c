/* SPDX-License-Identifier: MIT
 *
 * trouble.c - two comparisons an answer, and a count.
 */
#include "core/observe/trouble.h"

#include "core/http/router.h"
#include "core/task/recorder.h"

void trouble_set_limits(struct trouble *trouble, uint64_t slow_ms, uint64_t errors)
{
    trouble->slow_limit_ns = slow_ms == 0 ? UINT64_MAX : slow_ms * NS_PER_MS;
    trouble->error_limit = errors == 0 ? UINT64_MAX : errors;
}

static void count_error(struct trouble *trouble, uint64_t now_ns)
{
    const uint64_t second = now_ns / NS_PER_S;
    trouble->errors = second == trouble->second ? trouble->errors + 1 : 1;
    trouble->second = second;
    if (trouble->errors == trouble->error_limit) {
        recorder_trigger(RECORDER_ERRORS);
    }
}

static uint64_t limit_of(const struct trouble *trouble, const struct route *route)
{
    const unsigned slow_ms = route->flags >> ROUTE_SLOW_SHIFT;
    return LIKELY(slow_ms == 0) || trouble->slow_limit_ns == UINT64_MAX ? trouble->slow_limit_ns
                                                                        : slow_ms * NS_PER_MS;
}

void trouble_on_end(void *ctx, struct http_request *req, struct http_end *end)
{
    struct trouble *trouble = ctx;
    if (UNLIKELY(end->now_ns - req->task.start_ns >= limit_of(trouble, req->route)) &&
        !req->is_long && (req->route->flags & (ROUTE_LONG | ROUTE_NO_DEADLINE)) == 0) {
        recorder_trigger(RECORDER_SLOW);
    }
    if (UNLIKELY(req->status >= 500)) {
        count_error(trouble, end->now_ns);
    }
}
