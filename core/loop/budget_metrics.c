/* SPDX-License-Identifier: MIT
 *
 * budget_metrics.c - the families toq_memory_*, copied at each scrape.
 */
#include "core/loop/budget.h"

#define STEP_COUNT 3

/* There is one budget in a process, so there is one of these. */
static struct {
    double *max_bytes;
    double *used_bytes;
    double *charged_bytes;
    double *level;
    uint64_t *steps[STEP_COUNT];
    uint64_t *refused;
    uint64_t *cut;
} cells;

static void collect(void *arg)
{
    const struct budget *budget = arg;
    const size_t charged = budget_charged_bytes(budget);
    METRIC_SET(cells.max_bytes, (double)budget->pool.max_bytes);
    METRIC_SET(cells.charged_bytes, (double)charged);
    METRIC_SET(cells.used_bytes,
               (double)(charged +
                        atomic_load_explicit(&budget->pool.foreign_bytes, memory_order_relaxed)));
    METRIC_SET(cells.level, (double)budget->traffic.level);
    METRIC_SET(cells.steps[0], budget->conns == NULL ? 0 : budget->conns->parked_count);
    METRIC_SET(cells.steps[1], budget->tight_count);
    METRIC_SET(cells.steps[2], budget->full_count);
    METRIC_SET(cells.refused, budget->refused);
    METRIC_SET(cells.cut, budget->cut);
}

static double *gauge(struct metrics *metrics, const char *name, const char *help)
{
    struct metric_family *family = metrics_family(
        metrics, &(struct metric_family_options){.type = METRIC_GAUGE, .name = name, .help = help});
    return family == NULL ? NULL : metric_gauge(family, NULL);
}

static uint64_t *counter(struct metrics *metrics, const char *name, const char *help)
{
    struct metric_family *family = metrics_family(
        metrics,
        &(struct metric_family_options){.type = METRIC_COUNTER, .name = name, .help = help});
    return family == NULL ? NULL : metric_counter(family, NULL);
}

static bool add_steps(struct metrics *metrics)
{
    static const char *const labels[] = {"step", NULL};
    const struct str steps[STEP_COUNT] = {STR("output"), STR("bodies"), STR("requests")};
    struct metric_family *family = metrics_family(
        metrics,
        &(struct metric_family_options){
            .type = METRIC_COUNTER,
            .name = "toq_memory_steps_total",
            .help = "Times that memory made something wait: a connection's output, request "
                    "bodies, new requests.",
            .labels = labels,
        });
    for (size_t i = 0; family != NULL && i < STEP_COUNT; i++) {
        cells.steps[i] = metric_counter(family, &steps[i]);
    }
    return family != NULL;
}

int budget_register_metrics(struct budget *budget, struct metrics *metrics)
{
    cells.max_bytes = gauge(metrics, "toq_memory_max_bytes", "The budget: MEMORY_MAX_BYTES.");
    cells.used_bytes =
        gauge(metrics, "toq_memory_used_bytes", "What of the budget is in use, charged or not.");
    cells.charged_bytes = gauge(metrics, "toq_memory_charged_bytes",
                                "What of the budget requests and connections are charged with.");
    cells.level = gauge(metrics, "toq_memory_level",
                        "0 at ease; 1 request bodies wait; 2 new requests are refused.");
    cells.refused = counter(metrics, "toq_memory_refused_requests_total",
                            "Requests refused, and answers replaced, for want of memory.");
    cells.cut = counter(metrics, "toq_memory_cut_connections_total",
                        "Connections cut because they held memory and did not move.");
    if (cells.max_bytes == NULL || cells.used_bytes == NULL || cells.charged_bytes == NULL ||
        cells.level == NULL || cells.refused == NULL || cells.cut == NULL || !add_steps(metrics)) {
        return UV_ENOMEM;
    }
    return metrics_add_collector(metrics, collect, budget);
}
