/* SPDX-License-Identifier: MIT
 *
 * alloc_trace.c - logs the line on a timer.
 */
#include "handlers/diagnostics/alloc_trace.h"

#include "core/loop/alloc_stats.h"
#include "core/telemetry/log.h"

static void log_stats(struct alloc_trace *trace)
{
    struct alloc_stats stats;
    if (!alloc_stats_read(&stats)) {
        LOG(LOG_INFO, "alloc", "no statistics: the allocator is not jemalloc");
        trace->every_ms = 0;
        return;
    }
    LOG(LOG_INFO, "alloc", "statistics", log_u64("allocated_bytes", stats.allocated),
        log_i64("change_bytes", (int64_t)(stats.allocated - trace->allocated_bytes)),
        log_u64("active_bytes", stats.active), log_u64("resident_bytes", stats.resident),
        log_u64("retained_bytes", stats.retained), log_u64("metadata_bytes", stats.metadata),
        log_u64("purges", stats.purges));
    trace->allocated_bytes = stats.allocated;
}

static void on_timer(struct wheel_timer *timer)
{
    struct alloc_trace *trace = CONTAINER_OF(timer, struct alloc_trace, timer);
    log_stats(trace);
    if (trace->every_ms > 0) {
        loop_set_timer(trace->loop, timer, trace->every_ms);
    }
}

void alloc_trace_start(struct alloc_trace *trace, struct loop *loop, uint64_t every_ms)
{
    *trace = (struct alloc_trace){.loop = loop, .every_ms = every_ms};
    wheel_timer_init(&trace->timer, on_timer);
    if (every_ms > 0) {
        on_timer(&trace->timer);
    }
}

void alloc_trace_stop(struct alloc_trace *trace)
{
    if (trace->every_ms > 0) {
        wheel_unset(&trace->timer);
    }
}
