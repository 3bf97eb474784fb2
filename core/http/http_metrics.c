/* SPDX-License-Identifier: MIT
 *
 * http_metrics.c - each route keeps a short list of its series, one per status it has answered
 * with.
 *
 * Source: OpenTelemetry semantic conventions for HTTP metrics, under Prometheus' names.
 */
#include "core/http/http_metrics.h"

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/task/usage.h"
#include "core/telemetry/exemplar.h"

struct http_series {
    struct http_series *next;     /* of the same route */
    struct http_series *next_all; /* in http_metrics.all */
    enum http_method method;      /* HEAD may use GET's route */
    int status;
    struct metric_histogram *duration;
    struct metric_histogram *cpu;
    struct metric_histogram *request_bytes;
    struct metric_histogram *response_bytes;
};

static struct metric_family *add_family(struct metrics *metrics, const char *name, const char *help,
                                        const double *bounds, size_t bound_count)
{
    static const char *const labels[] = {"http_request_method", "http_route",
                                         "http_response_status_code", NULL};
    const struct metric_family_options options = {
        .type = METRIC_HISTOGRAM,
        .name = name,
        .help = help,
        .labels = labels,
        .bounds = bounds,
        .bound_count = bound_count,
    };
    return metrics_family(metrics, &options);
}

static bool add_route_counters(struct http_metrics *hm, struct metrics *metrics)
{
    static const char *const labels[] = {"route", NULL};
    struct metric_family_options options = {
        .type = METRIC_COUNTER,
        .name = "toq_late_answers_total",
        .help = "Calls that handlers made for requests that were cancelled and had ended.",
        .labels = labels,
    };
    hm->late = metrics_family(metrics, &options);
    options.name = "toq_forgotten_requests_total";
    options.help = "Requests that no handler ended and for which nothing was pending any more.";
    hm->forgotten = metrics_family(metrics, &options);
    return hm->late != NULL && hm->forgotten != NULL;
}

static struct metric_family *add_cpu_family(struct metrics *metrics)
{
    static const char *const labels[] = {"route", "method", NULL};
    const struct metric_family_options options = {
        .type = METRIC_HISTOGRAM,
        .name = "http_server_request_cpu_seconds",
        .help = "CPU time of a request, including the write of its answer in the turn it ended.",
        .labels = labels,
    };
    return usage_task_family(metrics, &options);
}

int http_metrics_init(struct http_metrics *hm, struct metrics *metrics)
{
    static const double seconds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                     0.5,   0.75, 1,     2.5,  5,     7.5, 10};
    static const double bytes[] = {0, 100, 1e3, 1e4, 1e5, 1e6, 1e7};
    *hm = (struct http_metrics){0};
    hm->duration = add_family(metrics, "http_server_request_duration_seconds",
                              "Time from a request's first byte to the end of its answer.", seconds,
                              ARRAY_COUNT(seconds));
    hm->request_bytes = add_family(metrics, "http_server_request_body_size_bytes",
                                   "Size of request bodies.", bytes, ARRAY_COUNT(bytes));
    hm->response_bytes = add_family(metrics, "http_server_response_body_size_bytes",
                                    "Size of response bodies.", bytes, ARRAY_COUNT(bytes));
    hm->cpu = add_cpu_family(metrics);
    struct metric_family *active = metrics_family(
        metrics, &(struct metric_family_options){.type = METRIC_GAUGE,
                                                 .name = "http_server_active_requests",
                                                 .help = "Requests that are in flight."});
    if (hm->cpu == NULL || hm->duration == NULL || hm->request_bytes == NULL ||
        hm->response_bytes == NULL || active == NULL || !add_route_counters(hm, metrics)) {
        return UV_ENOMEM;
    }
    hm->active = metric_gauge(active, NULL);
    return 0;
}

void http_metrics_deinit(struct http_metrics *hm)
{
    while (hm->all != NULL) {
        struct http_series *next = hm->all->next_all;
        free(hm->all);
        hm->all = next;
    }
}

static struct http_series *add_series(struct http_metrics *hm, const struct http_request *req)
{
    struct http_series *s = malloc(sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    char digits[20];
    const struct str values[] = {
        str_from(http_method_name(req->method)),
        str_from(req->route->path),
        {digits, str_format_u64(digits, (uint64_t)req->status)},
    };
    *s = (struct http_series){
        .next = req->route->series,
        .next_all = hm->all,
        .method = req->method,
        .status = req->status,
        .duration = metric_histogram(hm->duration, values),
        .cpu = metric_histogram(hm->cpu, (const struct str[]){values[1], values[0]}),
        .request_bytes = metric_histogram(hm->request_bytes, values),
        .response_bytes = metric_histogram(hm->response_bytes, values),
    };
    req->route->series = s;
    hm->all = s;
    return s;
}

static inline struct http_series *find_series(const struct http_request *req)
{
    struct http_series *s = req->route->series;
    while (s != NULL && (s->status != req->status || s->method != req->method)) {
        s = s->next;
    }
    return s;
}

void http_exemplars_on_end(void *ctx, struct http_request *req, struct http_end *end)
{
    (void)ctx;
    const struct http_series *s = LIKELY(!end->is_kept) ? NULL : find_series(req);
    if (s == NULL) {
        return;
    }
    const double seconds = (double)(end->now_ns - req->task.start_ns) * 1e-9;
    const uint64_t wall_ns = clock_wall_ns();
    exemplar_note(s->duration, seconds, http_trace(req), wall_ns);
    if (req->rpc_seconds != NULL) {
        exemplar_note(req->rpc_seconds, seconds, http_trace(req), wall_ns);
    }
}

void http_metrics_on_end(void *ctx, struct http_request *req, struct http_end *end)
{
    struct http_metrics *hm = ctx;
    struct http_series *s = find_series(req);
    if (s == NULL) {
        s = add_series(hm, req);
        if (s == NULL) {
            return; /* out of memory: the request matters more than its count */
        }
    }
    metric_observe(s->duration, (double)(end->now_ns - req->task.start_ns) * 1e-9);
    metric_observe(s->request_bytes, (double)(req->body.len + req->streamed_bytes));
    metric_observe(s->response_bytes, (double)req->sent_body_bytes);
    end->cpu = task_end_cpu(&req->task);
    if (end->cpu != NULL) {
        end->cpu->seconds = req->cpu_seconds == NULL ? s->cpu : req->cpu_seconds;
    }
}

/* count_route adds one to a counter of a route's, which is found once. */
static void count_route(struct metric_family *family, const struct route *route, uint64_t **cell)
{
    if (*cell == NULL) {
        const struct str value = str_from(route->path);
        *cell = metric_counter(family, &value);
    }
    METRIC_ADD(*cell, 1);
}

void http_metrics_count_late(struct http_metrics *hm, struct route *route)
{
    count_route(hm->late, route, &route->late);
}

void http_metrics_count_forgotten(struct http_metrics *hm, struct route *route)
{
    count_route(hm->forgotten, route, &route->forgotten);
}
