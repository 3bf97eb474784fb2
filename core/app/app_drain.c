/* SPDX-License-Identifier: MIT
 *
 * app_drain.c - the phases of the drain, and what each waits for.
 */
#include "core/app/app_drain.h"

#include <signal.h>
#include <string.h>

#include "core/base/clock.h"

#define LAST_WORDS_MS 100  /* what a cancelled request is answered with leaves in this time */
#define DATA_CLOSE_MS 1000 /* an attempt to connect to a server that says nothing takes longer */
#define DATA_CUT_MS   100  /* ... and when the time is up already */

static const char *const phase_names[] = {
    [APP_SERVING] = "serving", [APP_ANNOUNCING] = "announcing",   [APP_TRAFFIC] = "traffic",
    [APP_DATA] = "data",       [APP_DIAGNOSTICS] = "diagnostics", [APP_ENDED] = "ended",
};

/* --- what it waits for --- */

struct waiting {
    size_t count;
    const struct http_request *oldest;
};

/* look_at: all tasks are requests; those of diagnostics hold up nothing. */
static void look_at(struct task *task, void *arg)
{
    struct waiting *waiting = arg;
    const struct http_request *req = CONTAINER_OF(task, struct http_request, task);
    if (req->server->is_vital) {
        return;
    }
    waiting->count++;
    if (waiting->oldest == NULL || task->start_ns < waiting->oldest->task.start_ns) {
        waiting->oldest = req;
    }
}

static void log_waiting(const struct phases *phases, enum log_level level, const char *message)
{
    const struct app_drain *drain = CONTAINER_OF(phases, struct app_drain, phases);
    struct waiting waiting = {.count = 0};
    task_for_each(look_at, &waiting);
    const struct http_request *oldest = waiting.oldest;
    const uint64_t age_ns = oldest == NULL ? 0 : clock_now_ns() - oldest->task.start_ns;
    struct log_field fields[] = {
        {0},
        {0},
        log_u64("requests", waiting.count),
        log_u64("connections", drain->what.conns->count),
        log_cstr("oldest_method", oldest == NULL ? "" : http_method_name(oldest->method)),
        log_cstr("oldest_route", oldest == NULL ? "" : oldest->route->path),
        log_cstr("oldest_state", oldest == NULL ? "" : oldest->task.state),
        log_u64("oldest_age_ms", age_ns / NS_PER_MS),
    };
    phases_fill(phases, fields);
    log_event(level, "main", message, fields, ARRAY_COUNT(fields) - (oldest == NULL ? 4 : 0));
}

/* --- the phases --- */

static void on_data_closed(void *arg)
{
    struct app_drain *drain = arg;
    drain->is_data_closed = true;
    phases_advance(&drain->phases);
}

static void on_data_timeout(struct wheel_timer *timer)
{
    struct app_drain *drain = CONTAINER_OF(timer, struct app_drain, data_timeout);
    log_event(LOG_WARN, "main", "left without waiting for MySQL and Redis", NULL, 0);
    drain->is_data_left = true;
    phases_advance(&drain->phases);
}

static void close_data(struct app_drain *drain)
{
    const struct app_draining *what = &drain->what;
    app_modules_data_close(what->modules);
    loop_set_timer(what->loop, &drain->data_timeout, drain->is_cut ? DATA_CUT_MS : DATA_CLOSE_MS);
    app_data_close(what->data, on_data_closed, drain);
}

static void drain_servers(struct app_drain *drain)
{
    app_servers_drain(drain->what.servers, APP_TRAFFIC_SIDE, phases_advance, &drain->phases);
    if (drain->is_cut) {
        (void)conn_set_close_all(drain->what.conns);
    }
}

static void on_diagnostics_over(void *arg)
{
    struct app_drain *drain = arg;
    drain->is_diagnostics_over = true;
    phases_advance(&drain->phases);
}

static void enter(struct phases *phases, int phase)
{
    struct app_drain *drain = CONTAINER_OF(phases, struct app_drain, phases);
    switch (phase) {
    case APP_TRAFFIC:
        wheel_unset(&drain->delay);
        log_waiting(phases, LOG_INFO, "closing the listeners of traffic");
        drain_servers(drain);
        break;
    case APP_DATA:
        close_data(drain);
        break;
    case APP_DIAGNOSTICS: /* which say themselves what they wait for */
        wheel_unset(&drain->data_timeout);
        phases_stop(phases);
        diag_drain_begin(&drain->diagnostics);
        break;
    case APP_ENDED:
        loop_stop(phases->loop);
        break;
    default:
        break;
    }
}

static bool is_over(const struct phases *phases, int phase)
{
    const struct app_drain *drain = CONTAINER_OF(phases, struct app_drain, phases);
    switch (phase) {
    case APP_TRAFFIC:
        return app_servers_have_drained(drain->what.servers, APP_TRAFFIC_SIDE);
    case APP_DATA:
        return drain->is_data_closed || drain->is_data_left;
    case APP_DIAGNOSTICS:
        return drain->is_diagnostics_over;
    default:
        return false; /* a timer ends it */
    }
}

static const struct phases_rules rules = {
    .names = phase_names,
    .enter = enter,
    .is_over = is_over,
    .report = log_waiting,
};

static void on_delay(struct wheel_timer *timer)
{
    struct app_drain *drain = CONTAINER_OF(timer, struct app_drain, delay);
    phases_enter(&drain->phases, APP_TRAFFIC);
    phases_advance(&drain->phases);
}

/* --- out of time --- */

static void cut(struct app_drain *drain)
{
    drain->is_cut = true;
    (void)conn_set_close_all(drain->what.conns);
    diag_drain_cut(&drain->diagnostics);
    if (drain->phases.phase == APP_DATA) {
        loop_set_timer(drain->phases.loop, &drain->data_timeout, DATA_CUT_MS);
    }
    phases_advance(&drain->phases);
}

/* on_timeout cancels what is left, lets the clients hear of it, and cuts them off. */
static void on_timeout(struct wheel_timer *timer)
{
    struct app_drain *drain = CONTAINER_OF(timer, struct app_drain, timeout);
    if (drain->is_cancelled) {
        cut(drain);
        return;
    }
    drain->is_cancelled = true;
    log_waiting(&drain->phases, LOG_WARN, "out of time, cancelling what is left");
    if (drain->phases.phase == APP_ANNOUNCING) {
        phases_enter(&drain->phases, APP_TRAFFIC);
    }
    const size_t requests = task_cancel_all(UV_ECANCELED);
    diag_drain_cancel(&drain->diagnostics);
    LOG(LOG_WARN, "main", "shutdown timed out", log_u64("cancelled_requests", requests),
        log_u64("connections", drain->what.conns->count));
    loop_set_timer(drain->phases.loop, timer, LAST_WORDS_MS);
}

/* --- the beginning --- */

void app_drain_init(struct app_drain *drain, const struct app_draining *what)
{
    *drain = (struct app_drain){.what = *what};
    wheel_timer_init(&drain->delay, on_delay);
    wheel_timer_init(&drain->timeout, on_timeout);
    wheel_timer_init(&drain->data_timeout, on_data_timeout);
    phases_init(&drain->phases, &rules, what->loop);
    diag_drain_init(&drain->diagnostics, &(struct diag_draining){
                                             .loop = what->diag_conns->loop,
                                             .conns = what->diag_conns,
                                             .servers = what->servers,
                                             .exporter = what->exporter,
                                             .work = what->loop,
                                             .on_over = on_diagnostics_over,
                                             .arg = drain,
                                         });
}

void app_drain_begin(struct app_drain *drain, int signo)
{
    const struct app_draining *what = &drain->what;
    const uint64_t delay_ms = what->config->shutdown_delay_ms;
    LOG(LOG_INFO, "main", "shutting down", log_cstr("signal", strsignal(signo)),
        log_u64("requests", task_count()), log_u64("connections", what->conns->count),
        log_u64("delay_ms", delay_ms), log_u64("timeout_ms", what->config->shutdown_timeout_ms),
        log_cstr("hint", signo == SIGINT ? "press Ctrl-C again to end at once"
                                         : "a second signal ends it at once"));
    *what->is_draining = true; /* those who watch gRPC's health hear of it at the next tick */
    loop_set_timer(what->loop, &drain->timeout, what->config->shutdown_timeout_ms);
    phases_begin(&drain->phases);
    if (delay_ms > 0) {
        loop_set_timer(what->loop, &drain->delay, delay_ms);
    } else {
        on_delay(&drain->delay);
    }
}

void app_drain_stop(struct app_drain *drain)
{
    wheel_unset(&drain->delay);
    wheel_unset(&drain->timeout);
    wheel_unset(&drain->data_timeout);
    phases_stop(&drain->phases);
}
