/* SPDX-License-Identifier: MIT
 *
 * listener_metrics.h - what the listeners and their connections count, as metric families.
 */
#ifndef TOQ_CORE_LOOP_LISTENER_METRICS_H
#define TOQ_CORE_LOOP_LISTENER_METRICS_H

#include "core/loop/listener.h"

#define LISTENER_METRICS_MAX   8 /* listeners */
#define LISTENER_METRICS_CELLS 8 /* series a listener */

struct listener_metrics_cell {
    const uint64_t *source;
    uint64_t *counter; /* one of the two; the other is NULL */
    double *gauge;
};

struct listener_metrics {
    size_t count;
    struct listener_metrics_cell cells[LISTENER_METRICS_MAX * LISTENER_METRICS_CELLS];
};

/* listener_metrics_register adds the connection families with a series for each of `listeners`,
 * labelled by its name.
 *
 * count:   at most LISTENER_METRICS_MAX.
 * Owns:    lm and the listeners stay the caller's, and outlive `metrics`.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int listener_metrics_register(struct listener_metrics *lm, struct metrics *metrics,
                                       struct listener *const *listeners, size_t count);

#endif
