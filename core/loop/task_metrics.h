/* SPDX-License-Identifier: MIT
 *
 * task_metrics.h - metrics: the number of tasks by state, and the time for which the work loop has
 * been held.
 *
 * Thread: the registry's loop; the tasks of every loop are counted.
 */
#ifndef TOQ_CORE_LOOP_TASK_METRICS_H
#define TOQ_CORE_LOOP_TASK_METRICS_H

#include "core/loop/loop.h"

#define TASK_METRICS_STATES 32 /* more are counted as "other" */

/* Private; embedded in its owner, who keeps it as long as the registry collects. */
struct task_metrics {
    const struct loop *work;
    struct metric_family *family;
    const char *states[TASK_METRICS_STATES];
    double *cells[TASK_METRICS_STATES];
    size_t count;
};

/* task_metrics_register adds the families.
 *
 * work:    the loop whose held time is measured.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int task_metrics_register(struct task_metrics *tm, const struct loop *work,
                                   struct metrics *metrics);

#endif
