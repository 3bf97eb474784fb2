/* SPDX-License-Identifier: MIT
 *
 * listener_metrics.c - the counters of a listener and its connections as a table.
 */
#include "core/loop/listener_metrics.h"

static const char *const listener_label[] = {"listener", NULL};
static const char *const reason_labels[] = {"listener", "reason", NULL};

#define SHED                                                                                       \
    "toq_connections_shed_total", "Connections that could not be served, by what was missing."

static const struct metric_row rows[] = {
    {"toq_connections_open", "Connections that are open.", METRIC_GAUGE,
     METRIC_FIELD(struct listener, stats.open)},
    {"toq_connections_accepted_total", "Connections accepted.", METRIC_COUNTER,
     METRIC_FIELD(struct listener, stats.accepted)},
    {"toq_connections_received_bytes_total", "Bytes read from connections.", METRIC_COUNTER,
     METRIC_FIELD(struct listener, stats.received_bytes)},
    {"toq_connections_sent_bytes_total", "Bytes written to connections.", METRIC_COUNTER,
     METRIC_FIELD(struct listener, stats.sent_bytes)},
    {"toq_connections_write_timeouts_total", "Connections closed because the peer took no bytes.",
     METRIC_COUNTER, METRIC_FIELD(struct listener, stats.write_timeouts)},
    {SHED, METRIC_COUNTER, METRIC_FIELD(struct listener, shed_fds),
     METRIC_LABEL(reason_labels, "descriptors")},
    {SHED, METRIC_COUNTER, METRIC_FIELD(struct listener, shed_limit),
     METRIC_LABEL(reason_labels, "limit")},
    {SHED, METRIC_COUNTER, METRIC_FIELD(struct listener, shed_memory),
     METRIC_LABEL(reason_labels, "memory")},
};

int listener_register_metrics(struct listener *listener, struct metrics *metrics)
{
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = rows,
                                       .row_count = ARRAY_COUNT(rows),
                                       .labels = listener_label,
                                       .value = listener->name,
                                       .arg = listener,
                                   });
}
