/* SPDX-License-Identifier: MIT
 *
 * diag_drain.c - the last phases of the end, on the loop of diagnostics.
 */
#include "core/app/diag_drain.h"

#include "core/base/clock.h"
#include "core/http/request.h"

#define REPORT_MS 5000
#define LOOK_MS   WHEEL_TICK_MS

static const char *const phase_names[] = {
    [DIAG_SERVING] = "serving",
    [DIAG_CAPTURES] = "captures",
    [DIAG_CLOSING] = "diagnostics",
    [DIAG_ENDED] = "ended",
};

/* --- what it waits for --- */

struct waiting {
    uint64_t before_ns; /* when captures must have begun to count */
    size_t requests;
    size_t captures;
};

/* look_at: all tasks are requests. */
static void look_at(struct task *task, void *arg)
{
    struct waiting *waiting = arg;
    const struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    if (req->server->is_vital) {
        waiting->requests++;
        waiting->captures += req->is_long && task->start_ns < waiting->before_ns;
    }
}

static struct waiting look(const struct diag_drain *drain)
{
    struct waiting waiting = {.before_ns = drain->captures_ns};
    task_for_each(look_at, &waiting);
    return waiting;
}

static void on_report(struct wheel_timer *timer)
{
    struct diag_drain *drain = CONTAINER_OF(timer, struct diag_drain, report);
    const struct waiting waiting = look(drain);
    LOG(LOG_INFO, "main", "still shutting down, waiting",
        log_cstr("phase", phase_names[drain->phase]),
        log_u64("elapsed_ms", loop_now_ms(drain->what.loop) - drain->start_ms),
        log_u64("requests", waiting.requests), log_u64("connections", drain->what.conns->count));
    loop_set_timer(drain->what.loop, timer, REPORT_MS);
}

/* --- the phases --- */

static void advance(void *arg);

static void on_look(struct wheel_timer *timer)
{
    struct diag_drain *drain = CONTAINER_OF(timer, struct diag_drain, look);
    loop_set_timer(drain->what.loop, timer, LOOK_MS);
    advance(drain);
}

static void cancel_capture(struct task *task, void *arg)
{
    const struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    (void)arg;
    if (req->server->is_vital && req->is_long) {
        task_cancel(task, UV_ECANCELED);
    }
}

static void close_servers(struct diag_drain *drain)
{
    struct conn_set *conns = drain->what.conns;
    task_for_each(cancel_capture, NULL);
    conns->on_empty = advance;
    conns->on_empty_arg = drain;
    app_servers_drain(drain->what.servers, APP_DIAGNOSTICS_SIDE, advance, drain);
    if (drain->is_cut) {
        (void)conn_set_close_all(conns);
    }
}

static void enter(struct diag_drain *drain, enum diag_phase phase)
{
    const struct diag_draining *what = &drain->what;
    drain->phase = phase;
    switch (phase) {
    case DIAG_CAPTURES:
        drain->start_ms = loop_now_ms(what->loop);
        drain->captures_ns = clock_now_ns();
        loop_set_timer(what->loop, &drain->look, LOOK_MS);
        loop_set_timer(what->loop, &drain->report, REPORT_MS);
        break;
    case DIAG_CLOSING:
        wheel_unset(&drain->look);
        close_servers(drain);
        break;
    case DIAG_ENDED:
        wheel_unset(&drain->report);
        if (what->loop != what->work) {
            loop_stop(what->loop);
        }
        loop_post(what->work, &drain->over);
        break;
    default:
        break;
    }
}

/* is_over tells whether a phase has nothing to wait for any more. */
static bool is_over(const struct diag_drain *drain)
{
    switch (drain->phase) {
    case DIAG_CAPTURES:
        return drain->is_cut || look(drain).captures == 0;
    case DIAG_CLOSING:
        return drain->what.servers->sides[APP_DIAGNOSTICS_SIDE].draining_count == 0 &&
               drain->what.conns->count == 0;
    default:
        return false;
    }
}

static void advance(void *arg)
{
    struct diag_drain *drain = arg;
    while (is_over(drain)) {
        enter(drain, drain->phase + 1);
    }
}

/* --- from the work loop, and back --- */

static void on_begin(struct loop_post *post)
{
    struct diag_drain *drain = CONTAINER_OF(post, struct diag_drain, begin);
    enter(drain, DIAG_CAPTURES);
    advance(drain);
}

static void on_cancel(struct loop_post *post)
{
    (void)post;
    (void)task_cancel_all(UV_ECANCELED);
}

static void on_cut(struct loop_post *post)
{
    struct diag_drain *drain = CONTAINER_OF(post, struct diag_drain, cut);
    drain->is_cut = true;
    (void)conn_set_close_all(drain->what.conns);
    advance(drain);
}

static void on_over(struct loop_post *post)
{
    struct diag_drain *drain = CONTAINER_OF(post, struct diag_drain, over);
    drain->what.on_over(drain->what.arg);
}

void diag_drain_init(struct diag_drain *drain, const struct diag_draining *what)
{
    *drain = (struct diag_drain){
        .what = *what,
        .begin = {.run = on_begin},
        .cancel = {.run = on_cancel},
        .cut = {.run = on_cut},
        .over = {.run = on_over},
    };
    wheel_timer_init(&drain->look, on_look);
    wheel_timer_init(&drain->report, on_report);
}

void diag_drain_begin(struct diag_drain *drain)
{
    loop_post(drain->what.loop, &drain->begin);
}

void diag_drain_cancel(struct diag_drain *drain)
{
    loop_post(drain->what.loop, &drain->cancel);
}

void diag_drain_cut(struct diag_drain *drain)
{
    loop_post(drain->what.loop, &drain->cut);
}
