/* SPDX-License-Identifier: MIT
 *
 * history_columns.h - the CPU time of each past second by route and thread, for a heatmap.
 *
 * Thread: a worker thread.
 */
#ifndef TOQ_PROFILING_CPU_HISTORY_COLUMNS_H
#define TOQ_PROFILING_CPU_HISTORY_COLUMNS_H

#include "core/base/buf.h"
#include "profiling/cpu/history_window.h"

#define HISTORY_COLUMNS_MAX_BYTES (8u << 20)
#define HISTORY_ROWS_MAX          256 /* routes and threads; what comes later is one row */

struct history_columns {
    const struct history_window *windows; /* in the order of time, without gaps */
    size_t window_count;
    uint64_t start_ns; /* of the first second */
    uint64_t seconds;
    uint64_t wall_ns; /* of start_ns */
    uint64_t now_ms;  /* by the wall's clock */
};

/* history_columns_write appends them as JSON: {"now_ms", "start_ms", "seconds", "rows": [{"route",
 * "thread", "cells": [[second, milliseconds of CPU time], ...]}, ...]}. start_ms is rounded up, so
 * that history_read has what is at it.
 *
 * Returns: 0; UV_ENOMEM, also when the text would be too long.
 */
MUST_USE int history_columns_write(const struct history_columns *columns, struct buf *out);

#endif
