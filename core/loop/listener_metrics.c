/* SPDX-License-Identifier: MIT
 *
 * listener_metrics.c - copies the listeners' counters into their series at each scrape.
 */
#include "core/loop/listener_metrics.h"

#include <assert.h>

struct family_row {
    const char *name;
    const char *help;
    const char *reason; /* of the label `reason`; NULL: the family has none */
    enum metric_type type;
    size_t offset; /* of the uint64_t counter in struct listener */
};

static const struct family_row rows[] = {
    {"toq_connections_open", "Connections that are open.", NULL, METRIC_GAUGE,
     offsetof(struct listener, stats.open)},
    {"toq_connections_accepted_total", "Connections accepted.", NULL, METRIC_COUNTER,
     offsetof(struct listener, stats.accepted)},
    {"toq_connections_received_bytes_total", "Bytes read from connections.", NULL, METRIC_COUNTER,
     offsetof(struct listener, stats.received_bytes)},
    {"toq_connections_sent_bytes_total", "Bytes written to connections.", NULL, METRIC_COUNTER,
     offsetof(struct listener, stats.sent_bytes)},
    {"toq_connections_write_timeouts_total", "Connections closed because the peer took no bytes.",
     NULL, METRIC_COUNTER, offsetof(struct listener, stats.write_timeouts)},
    {"toq_connections_shed_total", "Connections that could not be served, by what was missing.",
     "descriptors", METRIC_COUNTER, offsetof(struct listener, shed_fds)},
    {"toq_connections_shed_total", "", "limit", METRIC_COUNTER,
     offsetof(struct listener, shed_limit)},
    {"toq_connections_shed_total", "", "memory", METRIC_COUNTER,
     offsetof(struct listener, shed_memory)},
};

static void collect(void *arg)
{
    const struct listener_metrics *c = arg;
    for (size_t i = 0; i < c->count; i++) {
        if (c->cells[i].counter != NULL) {
            METRIC_SET(c->cells[i].counter, *c->cells[i].source);
        } else {
            METRIC_SET(c->cells[i].gauge, (double)*c->cells[i].source);
        }
    }
}

static int add_cell(struct metrics *metrics, const struct family_row *row,
                    struct listener *listener, struct listener_metrics_cell *ret_cell)
{
    static const char *const plain_labels[] = {"listener", NULL};
    static const char *const reason_labels[] = {"listener", "reason", NULL};
    const struct metric_family_options options = {
        .type = row->type,
        .name = row->name,
        .help = row->help,
        .labels = row->reason == NULL ? plain_labels : reason_labels,
    };
    struct metric_family *family = metrics_family(metrics, &options);
    if (family == NULL) {
        return UV_ENOMEM;
    }
    const struct str values[] = {str_from(listener->name), str_from(row->reason)};
    const bool is_gauge = row->type == METRIC_GAUGE;
    *ret_cell = (struct listener_metrics_cell){
        .source = (const uint64_t *)(const void *)((const char *)listener + row->offset),
        .counter = is_gauge ? NULL : metric_counter(family, values),
        .gauge = is_gauge ? metric_gauge(family, values) : NULL,
    };
    return 0;
}

int listener_metrics_register(struct listener_metrics *lm, struct metrics *metrics,
                              struct listener *const *listeners, size_t count)
{
    static_assert(ARRAY_COUNT(rows) == LISTENER_METRICS_CELLS, "a cell for each row");
    REQUIRE(count <= LISTENER_METRICS_MAX);
    lm->count = count * ARRAY_COUNT(rows);
    for (size_t i = 0; i < lm->count; i++) {
        const int rc = add_cell(metrics, &rows[i / count], listeners[i % count], &lm->cells[i]);
        if (rc < 0) {
            return rc;
        }
    }
    return metrics_add_collector(metrics, collect, lm);
}
