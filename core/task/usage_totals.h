/* SPDX-License-Identifier: MIT
 *
 * usage_totals.h - a family of metrics: CPU time by label, summed over the threads of one name.
 *
 * Thread: any, but for the family, which is its registry's loop's.
 */
#ifndef TOQ_CORE_TASK_USAGE_TOTALS_H
#define TOQ_CORE_TASK_USAGE_TOTALS_H

#include "core/task/label.h"
#include "core/telemetry/metrics.h"

/* The times that are added up. Waits for the loop (delay.h) are exact or an upper bound. */
enum usage_kind {
    USAGE_CPU,
    USAGE_CAUSED, /* others waited behind it */
    USAGE_CAUSED_UPPER,
    USAGE_SUFFERED, /* it waited behind others */
    USAGE_SUFFERED_UPPER,
    USAGE_KINDS
};

/* Times by label of the threads of one name, in nanoseconds. */
struct usage_totals {
    char thread[16];
    const char *rest; /* a literal: the route of what is of no label */
    struct usage_totals *next;
    /* added to by METRIC_ADD, or atomically where several threads add */
    uint64_t ns[USAGE_KINDS][LABEL_MAX];
};

/* usage_get_totals finds or makes the totals of the threads of a name; they are never freed.
 *
 * thread:  copied. rest: a literal; of whoever asks first.
 * Returns: NULL when memory is missing.
 */
MUST_USE struct usage_totals *usage_get_totals(const char *thread, const char *rest);

/* usage_thread_ns is the CPU time of the calling thread, user and system. */
uint64_t usage_thread_ns(void);

/* usage_count_job adds to totals that several threads add to; takes NULL. */
void usage_count_job(struct usage_totals *totals, uint32_t label, uint64_t ns);

/* usage_task_family registers a histogram of the CPU time of tasks of one kind, as usage_end fills
 * it: all kinds have the same bounds.
 *
 * options: a METRIC_HISTOGRAM without bounds.
 * Returns: as metrics_family.
 */
struct metric_family *usage_task_family(struct metrics *metrics,
                                        const struct metric_family_options *options);

struct usage_metrics;

/* usage_metrics_create registers the families of all totals, now and to come.
 *
 * Returns: NULL when memory is missing.
 */
MUST_USE struct usage_metrics *usage_metrics_create(struct metrics *metrics);

/* usage_metrics_destroy frees it, when the registry collects no more; takes NULL. */
void usage_metrics_destroy(struct usage_metrics *metrics);

#endif
