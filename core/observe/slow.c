/* SPDX-License-Identifier: MIT
 *
 * slow.c - writes the line, and limits how many there are.
 */
#include "core/observe/slow.h"

#include "core/base/clock.h"
#include "core/http/http_times.h"
#include "core/http/server.h"

static void write_line(struct http_request *req, uint64_t now_ns)
{
    const struct http_times times = http_times_get(req, now_ns);
    const struct task_costs costs = task_get_costs(&req->task);
    const uint64_t behind_ns = costs.behind_ns + costs.behind_upper_ns;
    const char *name = behind_ns > 0 ? label_name((uint32_t)costs.behind_label) : "";
    const struct log_field fields[] = {
        log_cstr("method", http_method_name(req->method)),
        log_cstr("route", req->route->path),
        log_u64("task", req->task.id),
        log_i64("status", req->status),
        log_u64("duration_us", (now_ns - req->task.start_ns) / NS_PER_US),
        log_u64("cpu_us", costs.cpu_ns / NS_PER_US),
        log_u64("running_us", times.running_ns / NS_PER_US),
        log_u64("mysql_us", times.mysql_ns / NS_PER_US),
        log_u64("mysql_pool_us", times.mysql_pool_ns / NS_PER_US),
        log_u64("redis_us", times.redis_ns / NS_PER_US),
        log_u64("upstream_us", times.upstream_ns / NS_PER_US),
        log_u64("write_us", times.write_ns / NS_PER_US),
        log_u64("loop_us", times.loop_ns / NS_PER_US),
        log_u64("other_us", times.other_ns / NS_PER_US),
        log_cstr("behind", behind_ns > 0 && name[0] == '\0' ? "[loop]" : name),
        log_u64("left_out", req->route->kept.slow_left_out),
    };
    struct task *previous = task_enter(&req->task); /* for its trace */
    log_event(LOG_WARN, "http", "slow request", fields, ARRAY_COUNT(fields));
    task_leave(previous);
}

static __attribute__((noinline, cold)) void log_slow(struct http_request *req, uint64_t now_ns)
{
    struct route_kept *kept = &req->route->kept;
    if (req->is_long ||
        (req->route->flags & (ROUTE_LONG | ROUTE_STREAM | ROUTE_NO_DEADLINE)) != 0) {
        return;
    }
    if (now_ns < kept->slow_line_due_ns) {
        kept->slow_left_out++;
        return;
    }
    write_line(req, now_ns);
    kept->slow_line_due_ns = now_ns + NS_PER_S;
    kept->slow_left_out = 0;
}

void slow_on_end(void *ctx, struct http_request *req, struct http_end *end)
{
    const struct http_server *server = ctx;
    if (UNLIKELY(end->now_ns - req->task.start_ns >= server->slow_ns)) {
        log_slow(req, end->now_ns);
    }
}
