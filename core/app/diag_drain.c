/* SPDX-License-Identifier: MIT
 *
 * diag_drain.c - the last phases of the drain, on the loop of diagnostics.
 */
#include "core/app/diag_drain.h"

#include "core/base/clock.h"
#include "core/http/request.h"

#define LOOK_MS   WHEEL_TICK_MS
#define EXPORT_MS 3000 /* for spans that wait; a receiver that is there takes them in less */

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

static void log_waiting(const struct phases *phases, enum log_level level, const char *message)
{
    const struct diag_drain *drain = CONTAINER_OF(phases, struct diag_drain, phases);
    const struct waiting waiting = look(drain);
    struct log_field fields[] = {
        {0},
        {0},
        log_u64("requests", waiting.requests),
        log_u64("connections", drain->what.conns->count),
    };
    phases_fill(phases, fields);
    log_event(level, "main", message, fields, ARRAY_COUNT(fields));
}

/* --- the phases --- */

static void on_look(struct wheel_timer *timer)
{
    struct diag_drain *drain = CONTAINER_OF(timer, struct diag_drain, look);
    loop_set_timer(drain->what.loop, timer, LOOK_MS);
    phases_advance(&drain->phases);
}

static void cancel_capture(struct task *task, void *arg)
{
    const struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    (void)arg;
    if (req->server->is_vital && req->is_long) {
        task_cancel(task, UV_ECANCELED);
    }
}

static void on_exported(void *arg)
{
    struct diag_drain *drain = arg;
    drain->is_exported = true;
    phases_advance(&drain->phases);
}

static void close_exporter(struct diag_drain *drain)
{
    if (drain->what.exporter == NULL) {
        drain->is_exported = true;
    } else {
        exporter_close(drain->what.exporter, drain->is_cut ? 0 : EXPORT_MS, on_exported, drain);
    }
}

static void close_servers(struct diag_drain *drain)
{
    task_for_each(cancel_capture, NULL);
    app_servers_drain(drain->what.servers, APP_DIAGNOSTICS_SIDE, phases_advance, &drain->phases);
    if (drain->is_cut) {
        (void)conn_set_close_all(drain->what.conns);
    }
}

static void enter(struct phases *phases, int phase)
{
    struct diag_drain *drain = CONTAINER_OF(phases, struct diag_drain, phases);
    switch (phase) {
    case DIAG_CAPTURES:
        drain->captures_ns = clock_now_ns();
        loop_set_timer(phases->loop, &drain->look, LOOK_MS);
        break;
    case DIAG_CLOSING:
        wheel_unset(&drain->look);
        close_servers(drain);
        close_exporter(drain);
        break;
    case DIAG_ENDED:
        phases_stop(phases);
        if (phases->loop != drain->what.work) {
            loop_stop(phases->loop);
        }
        loop_post(drain->what.work, &drain->over);
        break;
    default:
        break;
    }
}

static bool is_over(const struct phases *phases, int phase)
{
    const struct diag_drain *drain = CONTAINER_OF(phases, struct diag_drain, phases);
    switch (phase) {
    case DIAG_CAPTURES:
        return drain->is_cut || look(drain).captures == 0;
    case DIAG_CLOSING:
        return drain->is_exported &&
               app_servers_have_drained(drain->what.servers, APP_DIAGNOSTICS_SIDE);
    default:
        return false;
    }
}

static const struct phases_rules rules = {
    .names = phase_names,
    .enter = enter,
    .is_over = is_over,
    .report = log_waiting,
};

/* --- from the work loop, and back --- */

static void on_begin(struct loop_post *post)
{
    struct diag_drain *drain = CONTAINER_OF(post, struct diag_drain, begin);
    phases_begin(&drain->phases);
    phases_advance(&drain->phases);
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
    if (drain->phases.phase == DIAG_CLOSING && !drain->is_exported) {
        close_exporter(drain); /* with no more time */
    }
    phases_advance(&drain->phases);
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
    phases_init(&drain->phases, &rules, what->loop);
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
