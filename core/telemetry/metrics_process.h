/* SPDX-License-Identifier: MIT
 *
 * metrics_process.h - the families that Prometheus dashboards expect of a process, the build's
 * version, and the log's counters.
 */
#ifndef TOQ_CORE_TELEMETRY_METRICS_PROCESS_H
#define TOQ_CORE_TELEMETRY_METRICS_PROCESS_H

#include "core/telemetry/metrics.h"

/* metrics_process_register adds process_*, toq_build_info and toq_log_lines_* to a registry. What
 * the kernel does not tell, or does not limit, is left out.
 *
 * version: copied.
 * Returns: 0; UV_ENOMEM.
 * Thread:  the loop; one registry at a time.
 */
MUST_USE int metrics_process_register(struct metrics *m, const char *version);

#endif
