/* SPDX-License-Identifier: MIT
 *
 * access_log.c - counts the access lines of a second, and those left out.
 *
 * Flow: the first line begins a second -> up to max_per_s lines, the others are counted -> the
 *       second ends: a line with their number
 */
#include "core/observe/access_log.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/http/router.h"
#include "core/http/transport.h"
#include "core/loop/conn.h"

#define SECOND_MS 1000

struct access_log {
    struct loop *loop;
    const char *name;
    uint64_t every;
    uint64_t count; /* requests since the last one that `every` chose */
    uint64_t max_per_s;
    uint64_t written_count; /* lines in this second, which the first one begins */
    uint64_t left_out_count;
    struct wheel_timer second; /* the end of it */
    enum log_level level;
};

static void on_second(struct wheel_timer *timer)
{
    struct access_log *log = CONTAINER_OF(timer, struct access_log, second);
    access_log_flush(log);
    log->written_count = 0;
}

struct access_log *access_log_create(struct loop *loop, const struct access_log_options *options)
{
    struct access_log *log = malloc(sizeof(*log));
    if (log != NULL) {
        *log = (struct access_log){
            .loop = loop,
            .name = options->name,
            .every = options->every,
            .max_per_s = options->max_per_s,
            .level = options->level,
        };
        wheel_timer_init(&log->second, on_second);
    }
    return log;
}

void access_log_destroy(struct access_log *log)
{
    if (log != NULL) {
        wheel_unset(&log->second);
        free(log);
    }
}

void access_log_flush(struct access_log *log)
{
    if (log == NULL || log->left_out_count == 0) {
        return;
    }
    LOG(log->level, "access", "lines left out: more than LOG_ACCESS_MAX_PER_S",
        log_cstr("server", log->name), log_u64("max_per_s", log->max_per_s),
        log_u64("left_out", log->left_out_count));
    log->left_out_count = 0;
}

/* wants_line counts a request. Returns: whether it gets a line. */
static bool wants_line(struct access_log *log)
{
    if (++log->count < log->every) {
        return false;
    }
    log->count = 0;
    if (!log_is_on(log->level) || log->max_per_s == 0) {
        return log_is_on(log->level);
    }
    if (log->written_count >= log->max_per_s) {
        log->left_out_count++;
        return false;
    }
    if (log->written_count++ == 0) {
        loop_set_timer(log->loop, &log->second, SECOND_MS);
    }
    return true;
}

static void write_line(const struct access_log *log, struct http_request *req, uint64_t now_ns)
{
    char peer[CONN_PEER_BYTES];
    req->transport->format_peer(req, peer);
    const struct log_field fields[] = {
        log_show(LOG_SHOW_NOT, log_cstr("server", log->name)),
        log_show(LOG_SHOW_VALUE, log_cstr("method", http_method_name(req->method))),
        log_show(LOG_SHOW_CLIP, log_str("target", req->target)),
        log_show(LOG_SHOW_NOT, log_cstr("route", req->route->path)),
        log_show(LOG_SHOW_VALUE, log_i64("status", req->status)),
        log_show(LOG_SHOW_NOT, log_u64("body_bytes", req->sent_body_bytes)),
        log_show(LOG_SHOW_VALUE, log_u64("duration_us", (now_ns - req->task.start_ns) / NS_PER_US)),
        log_show(LOG_SHOW_NOT, log_u64("cpu_us", task_cpu_ns(&req->task) / NS_PER_US)),
        log_show(LOG_SHOW_NOT, log_cstr("peer", peer)),
        /* last: only gRPC calls have one */
        log_show(LOG_SHOW_VALUE, log_cstr("rpc_status", req->rpc_status)),
    };
    struct task *previous = task_enter(&req->task);
    log_event(log->level, "access", "request", fields,
              ARRAY_COUNT(fields) - (req->rpc_status == NULL ? 1 : 0));
    task_leave(previous);
}

void access_log_on_end(void *ctx, struct http_request *req, struct http_end *end)
{
    struct access_log *log = ctx;
    if (wants_line(log)) {
        write_line(log, req, end->now_ns);
    }
}
