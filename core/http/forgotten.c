/* SPDX-License-Identifier: MIT
 *
 * forgotten.c - a look through the table of tasks, once a second.
 */
#include "core/http/forgotten.h"

#include "core/base/clock.h"
#include "core/http/request.h"
#include "core/http/server.h"
#include "core/task/own_stack.h"

#define LOOK_MS 1000

struct look {
    uint64_t now_ns;
    size_t count;
};

static bool is_forgotten(const struct http_request *req, uint64_t now_ns)
{
    const struct task_facts facts = task_get_facts(&req->task);
    return task_is_leaked(&facts) &&
           clock_elapsed_ns(facts.state_ns, now_ns) >= FORGOTTEN_AFTER_MS * NS_PER_MS;
}

static void report(struct http_request *req, uint64_t now_ns)
{
    char handler[OWN_STACK_OFFSET_BYTES];
    own_stack_offset(req->task.handler, handler);
    http_metrics_count_forgotten(req->server->metrics, req->route);
    LOG(LOG_WARN, "http",
        "request forgotten: its handler did not end it, and nothing is pending that will",
        log_cstr("method", http_method_name(req->method)), log_cstr("route", req->route->path),
        log_cstr("handler", handler), log_cstr("state", req->task.state),
        log_u64("age_ms", (now_ns - req->task.start_ns) / NS_PER_MS));
    req->is_forgotten = true;
}

static void look_at(struct task *task, void *arg)
{
    struct look *look = arg;
    struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    const bool is_found = is_forgotten(req, look->now_ns);
    look->count += is_found ? 1 : 0;
    if (is_found && !req->is_forgotten) {
        report(req, look->now_ns);
    }
}

size_t forgotten_look(uint64_t now_ns)
{
    struct look look = {.now_ns = now_ns};
    task_for_each(look_at, &look);
    return look.count;
}

static void on_timer(struct wheel_timer *timer)
{
    struct forgotten *forgotten = CONTAINER_OF(timer, struct forgotten, timer);
    (void)forgotten_look(clock_now_ns());
    loop_set_timer(forgotten->loop, timer, LOOK_MS);
}

void forgotten_start(struct forgotten *forgotten, struct loop *loop)
{
    forgotten->loop = loop;
    wheel_timer_init(&forgotten->timer, on_timer);
    loop_set_timer(loop, &forgotten->timer, LOOK_MS);
}

void forgotten_stop(struct forgotten *forgotten)
{
    wheel_unset(&forgotten->timer);
}
