/* SPDX-License-Identifier: MIT
 *
 * render_metrics.h - for tests: what a scrape of one registry prints.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_RENDER_METRICS_H
#define TOQ_TEST_UNIT_SUPPORT_RENDER_METRICS_H

#include "core/telemetry/metrics.h"

static inline void render_metrics(const struct metrics *metrics, enum metrics_format format,
                                  struct buf *out)
{
    metrics_collect(metrics);
    metrics_render(&metrics, 1, format, out);
}

#endif
