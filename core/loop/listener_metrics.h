/* SPDX-License-Identifier: MIT
 *
 * listener_metrics.h - what the listeners and their connections count, as metric families.
 */
#ifndef TOQ_CORE_LOOP_LISTENER_METRICS_H
#define TOQ_CORE_LOOP_LISTENER_METRICS_H

#include "core/loop/listener.h"

/* listener_register_metrics adds the connection families with the series of a listener, labelled by
 * its name.
 *
 * Owns:    the listener outlives `metrics`.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int listener_register_metrics(struct listener *listener, struct metrics *metrics);

#endif
