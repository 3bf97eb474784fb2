/* SPDX-License-Identifier: MIT
 *
 * usage_totals.c - a list of names that only grows, and the series of each.
 */
#include "core/task/usage_totals.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/telemetry/metrics_export.h"

uint64_t usage_thread_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts); /* cannot fail on Linux */
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static _Atomic(struct usage_totals *) all_totals;
static pthread_mutex_t totals_lock = PTHREAD_MUTEX_INITIALIZER; /* held to add one */

static struct usage_totals *find_totals(const char *thread)
{
    struct usage_totals *totals = atomic_load_explicit(&all_totals, memory_order_acquire);
    while (totals != NULL && strcmp(totals->thread, thread) != 0) {
        totals = totals->next;
    }
    return totals;
}

struct usage_totals *usage_get_totals(const char *thread, const char *rest)
{
    (void)pthread_mutex_lock(&totals_lock);
    struct usage_totals *totals = find_totals(thread);
    if (totals == NULL) {
        totals = calloc(1, sizeof(*totals));
        if (totals != NULL) {
            (void)snprintf(totals->thread, sizeof(totals->thread), "%s", thread);
            totals->rest = rest;
            totals->next = atomic_load_explicit(&all_totals, memory_order_relaxed);
            atomic_store_explicit(&all_totals, totals, memory_order_release);
        }
    }
    (void)pthread_mutex_unlock(&totals_lock);
    return totals;
}

void usage_count_job(struct usage_totals *totals, uint32_t label, uint64_t ns)
{
    if (totals != NULL) {
        (void)__atomic_fetch_add(&totals->ns[USAGE_CPU][label], ns, __ATOMIC_RELAXED);
    }
}

/* --- of each task --- */

struct metric_family *usage_task_family(struct metrics *metrics,
                                        const struct metric_family_options *options)
{
    static const double seconds[] = {1e-5, 2.5e-5, 5e-5,   1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3,
                                     5e-3, 1e-2,   2.5e-2, 5e-2, 0.1,    0.5,  1};
    struct metric_family_options histogram = *options;
    histogram.bounds = seconds;
    histogram.bound_count = ARRAY_COUNT(seconds);
    return metrics_family(metrics, &histogram);
}

/* --- the family --- */

/* The series of one thread name. */
struct usage_series {
    struct usage_series *next;
    const struct usage_totals *totals;
    uint64_t *cells[USAGE_KINDS][LABEL_MAX];
};

struct usage_metrics {
    struct metric_family *families[USAGE_KINDS];
    struct usage_series *series;
};

static struct usage_series *get_series(struct usage_metrics *um, const struct usage_totals *totals)
{
    struct usage_series *s = um->series;
    while (s != NULL && s->totals != totals) {
        s = s->next;
    }
    if (s == NULL) {
        s = calloc(1, sizeof(*s));
        if (s != NULL) {
            s->totals = totals;
            s->next = um->series;
            um->series = s;
        }
    }
    return s;
}

static uint64_t *add_cell(struct metric_family *family, const struct usage_totals *totals,
                          enum usage_kind kind, uint32_t id)
{
    const bool is_upper = kind == USAGE_CAUSED_UPPER || kind == USAGE_SUFFERED_UPPER;
    const struct label label = label_get(id);
    const char *route = label.toq != NULL ? "[profiler]" : label_name(id);
    const struct str values[] = {
        str_from(totals->thread), str_from(id == LABEL_NONE ? totals->rest : route),
        str_from(label.method == NULL ? "" : label.method),
        str_from(is_upper ? "upper" : "exact"), /* USAGE_CPU has three labels */
    };
    return metric_counter(family, values);
}

static void collect_kind(const struct usage_metrics *um, struct usage_series *s,
                         enum usage_kind kind)
{
    const uint32_t label_count = label_get_count();
    for (uint32_t i = 0; i < label_count; i++) {
        uint64_t **cell = &s->cells[kind][i];
        const uint64_t ns = __atomic_load_n(&s->totals->ns[kind][i], __ATOMIC_RELAXED);
        if (ns > 0 && *cell == NULL) {
            *cell = add_cell(um->families[kind], s->totals, kind, i);
        }
        if (ns > 0) {
            METRIC_SET(*cell, ns);
        }
    }
}

/* fill: series come with labels, so there is no table of rows. */
static void fill(void *arg, void *values)
{
    (void)values;
    struct usage_metrics *um = arg;
    const struct usage_totals *totals = atomic_load_explicit(&all_totals, memory_order_acquire);
    for (; totals != NULL; totals = totals->next) {
        struct usage_series *s = get_series(um, totals);
        for (int kind = 0; s != NULL && kind < USAGE_KINDS; kind++) {
            collect_kind(um, s, (enum usage_kind)kind);
        }
    }
}

static struct metric_family *add_cpu(struct metrics *metrics)
{
    static const char *const cpu_labels[] = {"thread", "route", "method", NULL};
    const struct metric_family_options options = {
        .type = METRIC_COUNTER,
        .name = "toq_cpu_seconds_total",
        .help = "CPU time of threads by the route they worked for; [loop], [pool]: for none.",
        .labels = cpu_labels,
        .series_max = 4 * LABEL_MAX,
        .divisor = NS_PER_S,
    };
    return metrics_family(metrics, &options);
}

static struct metric_family *add_delay(struct metrics *metrics, const char *name, const char *help)
{
    static const char *const labels[] = {"thread", "route", "method", "bound", NULL};
    const struct metric_family_options options = {
        .type = METRIC_COUNTER,
        .name = name,
        .help = help,
        .labels = labels,
        .series_max = 4 * LABEL_MAX,
        .divisor = NS_PER_S,
    };
    return metrics_family(metrics, &options);
}

static bool add_families(struct usage_metrics *um, struct metrics *metrics)
{
    um->families[USAGE_CPU] = add_cpu(metrics);
    um->families[USAGE_CAUSED] =
        add_delay(metrics, "toq_loop_delay_caused_seconds_total",
                  "Time that requests waited for the loop behind long callbacks of a route.");
    um->families[USAGE_SUFFERED] =
        add_delay(metrics, "toq_loop_delay_suffered_seconds_total",
                  "Time that requests of a route waited for the loop behind long callbacks.");
    um->families[USAGE_CAUSED_UPPER] = um->families[USAGE_CAUSED];
    um->families[USAGE_SUFFERED_UPPER] = um->families[USAGE_SUFFERED];
    return um->families[USAGE_CPU] != NULL && um->families[USAGE_CAUSED] != NULL &&
           um->families[USAGE_SUFFERED] != NULL;
}

struct usage_metrics *usage_metrics_create(struct metrics *metrics)
{
    struct usage_metrics *um = calloc(1, sizeof(*um));
    if (um != NULL &&
        (!add_families(um, metrics) ||
         metrics_export(metrics, &(struct metrics_export){.fill = fill, .arg = um}) < 0)) {
        free(um);
        return NULL;
    }
    return um;
}

void usage_metrics_destroy(struct usage_metrics *um)
{
    while (um != NULL && um->series != NULL) {
        struct usage_series *next = um->series->next;
        free(um->series);
        um->series = next;
    }
    free(um);
}
