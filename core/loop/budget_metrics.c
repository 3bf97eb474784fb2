/* SPDX-License-Identifier: MIT
 *
 * budget_metrics.c - the families toq_memory_* and toq_allocator_bytes, copied at each scrape.
 */
#include "core/loop/budget.h"

#include <math.h>

#include "core/loop/alloc_stats.h"

struct budget_values {
    size_t max_bytes;
    size_t used_bytes;
    size_t charged_bytes;
    uint64_t level;
    uint64_t parked_count;
    uint64_t tight_count;
    uint64_t full_count;
    uint64_t refused;
    uint64_t cut;
};

static void fill(void *arg, void *values)
{
    const struct budget *budget = arg;
    const size_t charged = budget_charged_bytes(budget);
    *(struct budget_values *)values = (struct budget_values){
        .max_bytes = budget->pool.max_bytes,
        .used_bytes =
            charged + atomic_load_explicit(&budget->pool.foreign_bytes, memory_order_relaxed),
        .charged_bytes = charged,
        .level = budget->traffic.level,
        .parked_count = budget->conns == NULL ? 0 : budget->conns->parked_count,
        .tight_count = budget->tight_count,
        .full_count = budget->full_count,
        .refused = budget->refused,
        .cut = budget->cut,
    };
}

static const char *const step_label[] = {"step", NULL};

#define STEPS                                                                                      \
    "toq_memory_steps_total",                                                                      \
        "Times that lack of memory made something wait: a connection's output, request bodies, "   \
        "new requests."

static const struct metric_row rows[] = {
    {"toq_memory_max_bytes", "The budget: MEMORY_MAX_BYTES.", METRIC_GAUGE,
     METRIC_FIELD(struct budget_values, max_bytes)},
    {"toq_memory_used_bytes", "Bytes of the budget in use, charged or not.", METRIC_GAUGE,
     METRIC_FIELD(struct budget_values, used_bytes)},
    {"toq_memory_charged_bytes", "Bytes of the budget charged to requests and connections.",
     METRIC_GAUGE, METRIC_FIELD(struct budget_values, charged_bytes)},
    {"toq_memory_level", "0 at ease; 1 request bodies wait; 2 new requests are refused.",
     METRIC_GAUGE, METRIC_FIELD(struct budget_values, level)},
    {STEPS, METRIC_COUNTER, METRIC_FIELD(struct budget_values, parked_count),
     METRIC_LABEL(step_label, "output")},
    {STEPS, METRIC_COUNTER, METRIC_FIELD(struct budget_values, tight_count),
     METRIC_LABEL(step_label, "bodies")},
    {STEPS, METRIC_COUNTER, METRIC_FIELD(struct budget_values, full_count),
     METRIC_LABEL(step_label, "requests")},
    {"toq_memory_refused_requests_total",
     "Requests refused, and answers replaced, for want of memory.", METRIC_COUNTER,
     METRIC_FIELD(struct budget_values, refused)},
    {"toq_memory_cut_connections_total",
     "Connections cut off because they held memory and were stalled.", METRIC_COUNTER,
     METRIC_FIELD(struct budget_values, cut)},
};

int budget_register_metrics(struct budget *budget, struct metrics *metrics)
{
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = rows,
                                       .row_count = ARRAY_COUNT(rows),
                                       .fill = fill,
                                       .values_bytes = sizeof(struct budget_values),
                                       .arg = budget,
                                   });
}

/* --- the allocator --- */

struct allocator_values {
    double allocated;
    double active;
    double resident;
    double retained;
};

/* fill_allocator: NAN stands for what the allocator does not tell. */
static void fill_allocator(void *arg, void *values)
{
    struct alloc_stats stats;
    (void)arg;
    *(struct allocator_values *)values =
        alloc_stats_read(&stats)
            ? (struct allocator_values){(double)stats.allocated, (double)stats.active,
                                        (double)stats.resident, (double)stats.retained}
            : (struct allocator_values){NAN, NAN, NAN, NAN};
}

static const char *const kind_label[] = {"kind", NULL};

#define ALLOCATOR                                                                                  \
    "toq_allocator_bytes",                                                                         \
        "jemalloc: in objects, in pages of objects, in memory, and address space kept."

static const struct metric_row allocator_rows[] = {
    {ALLOCATOR, METRIC_GAUGE, METRIC_FIELD(struct allocator_values, allocated),
     METRIC_LABEL(kind_label, "allocated")},
    {ALLOCATOR, METRIC_GAUGE, METRIC_FIELD(struct allocator_values, active),
     METRIC_LABEL(kind_label, "active")},
    {ALLOCATOR, METRIC_GAUGE, METRIC_FIELD(struct allocator_values, resident),
     METRIC_LABEL(kind_label, "resident")},
    {ALLOCATOR, METRIC_GAUGE, METRIC_FIELD(struct allocator_values, retained),
     METRIC_LABEL(kind_label, "retained")},
};

int budget_register_allocator(struct metrics *metrics)
{
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = allocator_rows,
                                       .row_count = ARRAY_COUNT(allocator_rows),
                                       .fill = fill_allocator,
                                       .values_bytes = sizeof(struct allocator_values),
                                   });
}
