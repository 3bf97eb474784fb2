/* SPDX-License-Identifier: MIT
 *
 * metrics.h - counters, gauges and histograms, registered once and printed as Prometheus reads
 * them.
 *
 * Flow:    a module registers a family and its series at start -> bumps the series' cells -> a
 *          scrape copies values that live elsewhere (metrics_export.h), then calls metrics_render
 * Memory:  series live until metrics_destroy; the number of series per family is bounded.
 * Thread:  a registry belongs to one loop, which alone adds to it and writes its cells;
 *          metrics_render reads registries of other loops as they run.
 */
#ifndef TOQ_CORE_TELEMETRY_METRICS_H
#define TOQ_CORE_TELEMETRY_METRICS_H

#include "core/base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
enum metrics_format { METRICS_TEXT_0_0_4, METRICS_OPENMETRICS_1_0_0 };

#define METRIC_BUCKETS_MAX 24

struct metrics;
struct metric_exemplars;
struct metric_family;

/* A histogram's cells. Bucket i counts values <= bounds[i] and above bounds[i - 1]; the last one
 * the rest. */
struct metric_histogram {
    const struct metric_family *family;
    double sum;
    uint64_t buckets[METRIC_BUCKETS_MAX + 1];
    struct metric_exemplars *exemplars; /* exemplar.h's; NULL: none yet */
};

/* What is pointed at is literals and static arrays: it lives as long as the registry. */
struct metric_family_options {
    enum metric_type type;
    const char *name;          /* counters end in _total, the others do not */
    const char *help;          /* one sentence */
    const char *const *labels; /* label names, NULL at the end; NULL for none; at most 8 */
    const double *bounds;      /* histograms: upper bounds, ascending, without +Inf */
    size_t bound_count;        /* <= METRIC_BUCKETS_MAX */
    size_t series_max;         /* 0 takes the default, 1000 */
    uint64_t divisor;          /* counters: cells are divided by it when printed, so NS_PER_S counts
                                  nanoseconds and prints seconds; 0 takes 1 */
};

/* metrics_create makes an empty registry.
 *
 * Returns: the registry; NULL when memory is missing.
 */
MUST_USE struct metrics *metrics_create(void);

/* metrics_destroy frees the registry and everything registered in it; takes NULL. */
void metrics_destroy(struct metrics *m);

/* metrics_family registers a family, or finds the one of that name; type and labels must agree.
 *
 * Returns: the family, owned by the registry; NULL when memory is missing.
 */
MUST_USE struct metric_family *metrics_family(struct metrics *m,
                                              const struct metric_family_options *options);

/* metric_counter finds or makes the counter of a family that has these label values.
 *
 * values: as many as the family has labels, in its order; UTF-8, copied. Never what a peer chose
 *         freely: each new value is a new series.
 * Returns: the cell to add to, valid as long as the registry. Past series_max, or when memory is
 * missing, the family's overflow cell, whose label values are all "other".
 */
MUST_USE uint64_t *metric_counter(struct metric_family *f, const struct str *values);

/* metric_gauge finds or makes the gauge with these label values; as metric_counter. A gauge that
 * holds NaN has no value now and is left out of the text. */
MUST_USE double *metric_gauge(struct metric_family *f, const struct str *values);

/* metric_histogram finds or makes the histogram with these label values; as metric_counter. */
MUST_USE struct metric_histogram *metric_histogram(struct metric_family *f,
                                                   const struct str *values);

/* METRIC_SET and METRIC_ADD write a cell of a counter or a gauge, which is read by other threads
 * meanwhile. A cell has one writer, so adding needs no atomic operation. */
#define METRIC_SET(cell, value)                                                                    \
    do {                                                                                           \
        __typeof__(*(cell)) metric_value_ = (value);                                               \
        __atomic_store((cell), &metric_value_, __ATOMIC_RELAXED);                                  \
    } while (0)
#define METRIC_ADD(cell, value) METRIC_SET(cell, *(cell) + (value))

/* metric_bucket is the number of the bucket that a value falls into. */
size_t metric_bucket(const struct metric_histogram *h, double value);

/* metric_observe adds one value to a histogram, in the family's unit; never NaN. */
void metric_observe(struct metric_histogram *h, double value);

/* metrics_collect copies the values of metrics_export.h into their cells. */
void metrics_collect(const struct metrics *m);

/* metrics_render appends the families of one or more registries to `out`; a family without a value
 * is left out. Counters, gauges and histograms of the same name and labels are added up.
 * OpenMetrics ends with "# EOF". When `out` fails, its text is not complete.
 *
 * Thread: any.
 * Source: Prometheus text format 0.0.4; OpenMetrics 1.0.0.
 */
void metrics_render(const struct metrics *const *registries, size_t count,
                    enum metrics_format format, struct buf *out);

#endif
