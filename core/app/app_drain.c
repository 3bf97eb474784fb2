/* SPDX-License-Identifier: MIT
 *
 * app_drain.c - the phases of the end, and the line every 5 s.
 */
#include "core/app/app_drain.h"

#include <signal.h>
#include <string.h>

#include "core/base/clock.h"

#define REPORT_MS     5000
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

static void log_waiting(const struct app_drain *drain, enum log_level level, const char *message)
{
    struct waiting waiting = {.count = 0};
    task_for_each(look_at, &waiting);
    const struct http_request *oldest = waiting.oldest;
    const uint64_t now_ms = loop_now_ms(drain->what.loop);
    const uint64_t age_ns = oldest == NULL ? 0 : clock_now_ns() - oldest->task.start_ns;
    const struct log_field fields[] = {
        log_cstr("phase", phase_names[drain->phase]),
        log_u64("elapsed_ms", now_ms - drain->start_ms),
        log_u64("requests", waiting.count),
        log_u64("connections", drain->what.conns->count),
        log_cstr("oldest_method", oldest == NULL ? "" : http_method_name(oldest->method)),
        log_cstr("oldest_route", oldest == NULL ? "" : oldest->route->path),
        log_cstr("oldest_state", oldest == NULL ? "" : oldest->task.state),
        log_u64("oldest_age_ms", age_ns / NS_PER_MS),
    };
    log_event(level, "main", message, fields, ARRAY_COUNT(fields) - (oldest == NULL ? 4 : 0));
}

static void on_report(struct wheel_timer *timer)
{
    struct app_drain *drain = CONTAINER_OF(timer, struct app_drain, report);
    log_waiting(drain, LOG_INFO, "still shutting down, waiting");
    loop_set_timer(drain->what.loop, timer, REPORT_MS);
}

/* --- the phases --- */

static void advance(void *arg);

static void on_data_closed(void *arg)
{
    struct app_drain *drain = arg;
    drain->is_data_closed = true;
    advance(drain);
}

static void on_data_timeout(struct wheel_timer *timer)
{
    struct app_drain *drain = CONTAINER_OF(timer, struct app_drain, data_timeout);
    log_event(LOG_WARN, "main", "left without waiting for MySQL and Redis", NULL, 0);
    drain->is_data_left = true;
    advance(drain);
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
    struct conn_set *conns = drain->what.conns;
    conns->on_empty = advance;
    conns->on_empty_arg = drain;
    app_servers_drain(drain->what.servers, APP_TRAFFIC_SIDE, advance, drain);
    if (drain->is_cut) {
        (void)conn_set_close_all(conns);
    }
}

static void on_diagnostics_over(void *arg)
{
    struct app_drain *drain = arg;
    drain->is_diagnostics_over = true;
    advance(drain);
}

static void enter(struct app_drain *drain, enum app_phase phase)
{
    drain->phase = phase;
    switch (phase) {
    case APP_TRAFFIC:
        wheel_unset(&drain->delay);
        log_waiting(drain, LOG_INFO, "closing the listeners of traffic");
        drain_servers(drain);
        break;
    case APP_DATA:
        close_data(drain);
        break;
    case APP_DIAGNOSTICS: /* which say themselves what they wait for */
        wheel_unset(&drain->data_timeout);
        wheel_unset(&drain->report);
        diag_drain_begin(&drain->diagnostics);
        break;
    case APP_ENDED:
        loop_stop(drain->what.loop);
        break;
    default:
        break;
    }
}

/* is_over tells whether a phase has nothing to wait for any more. */
static bool is_over(const struct app_drain *drain)
{
    switch (drain->phase) {
    case APP_TRAFFIC:
        return drain->what.servers->sides[APP_TRAFFIC_SIDE].draining_count == 0 &&
               drain->what.conns->count == 0;
    case APP_DATA:
        return drain->is_data_closed || drain->is_data_left;
    case APP_DIAGNOSTICS:
        return drain->is_diagnostics_over;
    default:
        return false; /* a timer ends it */
    }
}

static void advance(void *arg)
{
    struct app_drain *drain = arg;
    while (is_over(drain)) {
        enter(drain, drain->phase + 1);
    }
}

static void on_delay(struct wheel_timer *timer)
{
    struct app_drain *drain = CONTAINER_OF(timer, struct app_drain, delay);
    enter(drain, APP_TRAFFIC);
    advance(drain);
}

/* --- the end of patience --- */

static void cut(struct app_drain *drain)
{
    drain->is_cut = true;
    (void)conn_set_close_all(drain->what.conns);
    diag_drain_cut(&drain->diagnostics);
    if (drain->phase == APP_DATA) {
        loop_set_timer(drain->what.loop, &drain->data_timeout, DATA_CUT_MS);
    }
    advance(drain);
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
    log_waiting(drain, LOG_WARN, "out of time, cancelling what is left");
    if (drain->phase == APP_ANNOUNCING) {
        enter(drain, APP_TRAFFIC);
    }
    const size_t requests = task_cancel_all(UV_ECANCELED);
    diag_drain_cancel(&drain->diagnostics);
    LOG(LOG_WARN, "main", "shutdown timed out", log_u64("cancelled_requests", requests),
        log_u64("connections", drain->what.conns->count));
    loop_set_timer(drain->what.loop, timer, LAST_WORDS_MS);
}

/* --- the beginning --- */

void app_drain_init(struct app_drain *drain, const struct app_draining *what)
{
    *drain = (struct app_drain){.what = *what};
    wheel_timer_init(&drain->delay, on_delay);
    wheel_timer_init(&drain->timeout, on_timeout);
    wheel_timer_init(&drain->data_timeout, on_data_timeout);
    wheel_timer_init(&drain->report, on_report);
    diag_drain_init(&drain->diagnostics, &(struct diag_draining){
                                             .loop = what->diag_conns->loop,
                                             .conns = what->diag_conns,
                                             .servers = what->servers,
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
    drain->start_ms = loop_now_ms(what->loop);
    drain->phase = APP_ANNOUNCING;
    *what->is_draining = true; /* those who watch gRPC's health hear of it at the next tick */
    loop_set_timer(what->loop, &drain->timeout, what->config->shutdown_timeout_ms);
    loop_set_timer(what->loop, &drain->report, REPORT_MS);
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
    wheel_unset(&drain->report);
}
