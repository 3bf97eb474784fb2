/* SPDX-License-Identifier: MIT
 *
 * grpc_metrics.c - every method has its series from the start, so that rate() sees the first error.
 */
#include "core/grpc/grpc_metrics.h"

#include "core/loop/loop.h"
#include "core/task/usage_totals.h"

#define SERIES_MAX 10000 /* 17 codes of some hundred methods */

static struct metric_family *add_family(struct metrics *metrics, enum metric_type type,
                                        const char *name, const char *help,
                                        const char *const *labels)
{
    static const double seconds[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                     0.5,   0.75, 1,     2.5,  5,     7.5, 10};
    const struct metric_family_options options = {
        .type = type,
        .name = name,
        .help = help,
        .labels = labels,
        .bounds = type == METRIC_HISTOGRAM ? seconds : NULL,
        .bound_count = type == METRIC_HISTOGRAM ? ARRAY_COUNT(seconds) : 0,
        .series_max = SERIES_MAX,
    };
    return metrics_family(metrics, &options);
}

static struct metric_family *add_cpu_family(struct metrics *metrics)
{
    static const char *const labels[] = {"rpc_method", NULL};
    const struct metric_family_options options = {
        .type = METRIC_HISTOGRAM,
        .name = "grpc_server_call_cpu_seconds",
        .help = "CPU time of a call, including the write of its end in the turn it ended.",
        .labels = labels,
        .series_max = SERIES_MAX,
    };
    return usage_task_family(metrics, &options);
}

int grpc_metrics_init(struct grpc_metrics *gm, struct metrics *metrics)
{
    static const char *const method[] = {"grpc_type", "grpc_service", "grpc_method", NULL};
    static const char *const code[] = {"grpc_type", "grpc_service", "grpc_method", "grpc_code",
                                       NULL};
    static const char *const rpc[] = {"rpc_method", "rpc_status_code", NULL};
    *gm = (struct grpc_metrics){
        .started = add_family(metrics, METRIC_COUNTER, "grpc_server_started_total",
                              "Calls that have begun.", method),
        .handled = add_family(metrics, METRIC_COUNTER, "grpc_server_handled_total",
                              "Calls that have ended, by status.", code),
        .received = add_family(metrics, METRIC_COUNTER, "grpc_server_msg_received_total",
                               "Messages received.", method),
        .sent = add_family(metrics, METRIC_COUNTER, "grpc_server_msg_sent_total", "Messages sent.",
                           method),
        .seconds = add_family(metrics, METRIC_HISTOGRAM, "grpc_server_handling_seconds",
                              "Time from a call's first byte to its end.", method),
        .durations = add_family(metrics, METRIC_HISTOGRAM, "rpc_server_call_duration_seconds",
                                "Time from a call's first byte to its end, by status.", rpc),
        .cpu = add_cpu_family(metrics),
    };
    const bool has_all = gm->started != NULL && gm->handled != NULL && gm->received != NULL &&
                         gm->sent != NULL && gm->seconds != NULL && gm->durations != NULL &&
                         gm->cpu != NULL;
    return has_all ? 0 : UV_ENOMEM;
}

void grpc_metrics_add(const struct grpc_metrics *gm, int kind, const char *name,
                      struct grpc_series *series)
{
    static const char *const kinds[] = {"unary", "client_stream", "server_stream", "bidi_stream"};
    struct str rest = str_from(name);
    struct str service = STR("");
    struct str method = STR("");
    (void)(str_next_field(&rest, '/', &service) && str_next_field(&rest, '/', &method));
    struct str values[] = {str_from(kinds[kind]), service, method, STR("")};
    *series = (struct grpc_series){
        .durations = gm->durations,
        .name = str_from(name),
        .started = metric_counter(gm->started, values),
        .received = metric_counter(gm->received, values),
        .sent = metric_counter(gm->sent, values),
        .seconds = metric_histogram(gm->seconds, values),
    };
    series->cpu = metric_histogram(gm->cpu, &series->name);
    for (int code = 0; code < GRPC_CODE_COUNT; code++) {
        values[3] = str_from(grpc_code_label((enum grpc_code)code));
        series->handled[code] = metric_counter(gm->handled, values);
    }
}

void grpc_metrics_count(struct grpc_series *series, enum grpc_code code, uint64_t duration_ns)
{
    struct metric_histogram **duration = &series->duration[code];
    const double seconds = (double)duration_ns * 1e-9;
    if (*duration == NULL) {
        const struct str values[] = {series->name, str_from(grpc_code_name(code))};
        *duration = metric_histogram(series->durations, values);
    }
    METRIC_ADD(series->handled[code], 1);
    metric_observe(series->seconds, seconds);
    metric_observe(*duration, seconds);
}
