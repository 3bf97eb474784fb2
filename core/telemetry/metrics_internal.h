/* SPDX-License-Identifier: MIT
 *
 * metrics_internal.h - how families and series lie in memory, for metrics.c and metrics_render.c
 * alone.
 */
#ifndef TOQ_CORE_TELEMETRY_METRICS_INTERNAL_H
#define TOQ_CORE_TELEMETRY_METRICS_INTERNAL_H

#include "core/base/list.h"
#include "core/telemetry/metrics.h"

struct metrics {
    struct list families;   /* struct metric_family, in the order of registration */
    struct list collectors; /* struct metrics_collector, likewise */
};

struct metrics_collector {
    struct list link;
    metrics_collect_fn collect;
    void *arg;
};

/* Owned by the registry. */
struct metric_family {
    struct list link;
    struct metric_family_options options; /* defaults filled in */
    struct list series;                   /* struct metric_series, in the order of first use */
    size_t series_count;
    /* Made with the family, so that there is always a cell to hand out; in `series` once it was.
     * Of a family without labels it is the one series. */
    struct metric_series *overflow;
};

/* Owned by its family. */
struct metric_series {
    struct list link;
    union {
        uint64_t counter;
        double gauge;
        struct metric_histogram histogram;
    };
    size_t labels_len;
    char labels[]; /* as printed, without braces: a="b",c="d"; also the key it is found by */
};

#endif
