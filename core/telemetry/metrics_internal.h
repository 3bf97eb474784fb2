/* SPDX-License-Identifier: MIT
 *
 * metrics_internal.h - how families and series lie in memory, for metrics.c, metrics_export.c
 * and metrics_render.c alone.
 */
#ifndef TOQ_CORE_TELEMETRY_METRICS_INTERNAL_H
#define TOQ_CORE_TELEMETRY_METRICS_INTERNAL_H

#include <stdatomic.h>

#include "core/base/list.h"
#include "core/telemetry/metrics.h"

/* Families and series are only ever added, at the end, and never move: a release store of the
 * pointer to one lets other threads see it whole. */
struct metrics {
    _Atomic(struct metric_family *) families; /* in the order of registration */
    struct list collectors;                   /* struct metrics_collector, likewise */
};

/* The head of what metrics_export makes; owned by the registry, which frees it. */
struct metrics_collector {
    struct list link;
    void (*collect)(const struct metrics_collector *collector);
};

/* Owned by the registry. */
struct metric_family {
    _Atomic(struct metric_family *) next;
    struct metric_family_options options;   /* defaults filled in */
    _Atomic(struct metric_series *) series; /* in the order of first use */
    size_t series_count;
    /* Made with the family, so that there is always a cell to hand out; in `series` once it was.
     * Of a family without labels it is the one series. */
    struct metric_series *overflow;
    bool is_overflow_used;
};

/* Owned by its family. */
struct metric_series {
    _Atomic(struct metric_series *) next;
    union {
        uint64_t counter;
        double gauge;
        struct metric_histogram histogram;
    };
    size_t labels_len;
    char labels[]; /* as printed, without braces: a="b",c="d"; also the key it is found by */
};

#endif
