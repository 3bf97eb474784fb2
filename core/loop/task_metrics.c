/* SPDX-License-Identifier: MIT
 *
 * task_metrics.c - counts the slots by state.
 */
#include "core/loop/task_metrics.h"

#include <string.h>

#include "core/task/task.h"

/* find_state finds a state's number, or gives it one. */
static size_t find_state(struct task_metrics *tm, const char *state)
{
    size_t i = 0;
    while (i < tm->count && tm->states[i] != state && strcmp(tm->states[i], state) != 0) {
        i++;
    }
    if (i < tm->count) {
        return i;
    }
    if (tm->count == TASK_METRICS_STATES) {
        return 0;
    }
    const struct str value = str_from(state);
    tm->states[i] = state;
    tm->cells[i] = metric_gauge(tm->family, &value);
    tm->count++;
    return i;
}

struct values {
    double held_seconds;
};

static const struct metric_row held = {
    "toq_loop_held_seconds",
    "For how long the callbacks of this turn have held the work loop by now.", METRIC_GAUGE,
    METRIC_FIELD(struct values, held_seconds)};

static void fill(void *arg, void *values)
{
    struct task_metrics *tm = arg;
    double counts[TASK_METRICS_STATES] = {0};
    for (uint32_t i = 0, end = task_slots_count(); i < end; i++) {
        struct task_facts facts;
        if (task_slots_copy(i, &facts)) {
            counts[find_state(tm, facts.state)]++;
        }
    }
    for (size_t i = 0; i < tm->count; i++) {
        METRIC_SET(tm->cells[i], counts[i]);
    }
    ((struct values *)values)->held_seconds = (double)loop_held_ns(tm->work, NULL) * 1e-9;
}

int task_metrics_register(struct task_metrics *tm, const struct loop *work, struct metrics *metrics)
{
    static const char *const state_labels[] = {"state", NULL};
    const struct metric_family_options of_tasks = {
        .type = METRIC_GAUGE,
        .name = "toq_tasks",
        .help = "Requests in flight, those of diagnostics included, by what they do or wait for.",
        .labels = state_labels,
    };
    *tm = (struct task_metrics){.work = work, .family = metrics_family(metrics, &of_tasks)};
    if (tm->family == NULL) {
        return UV_ENOMEM;
    }
    (void)find_state(tm, "other"); /* the first */
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = &held,
                                       .row_count = 1,
                                       .fill = fill,
                                       .values_bytes = sizeof(struct values),
                                       .arg = tm,
                                   });
}
