/* SPDX-License-Identifier: MIT
 *
 * grpc_metrics.h - the families of a gRPC server, and the series of a method. Private to grpc*.c.
 *
 * Source: go-grpc-middleware's names, which dashboards are written against; OpenTelemetry's RPC
 * conventions for the last one.
 */
#ifndef TOQ_CORE_GRPC_GRPC_METRICS_H
#define TOQ_CORE_GRPC_GRPC_METRICS_H

#include "core/grpc/grpc_status.h"
#include "core/telemetry/metrics.h"

struct grpc_metrics {
    struct metric_family *started;
    struct metric_family *handled;
    struct metric_family *received;
    struct metric_family *sent;
    struct metric_family *seconds;
    struct metric_family *durations;
    struct metric_family *cpu;
};

/* The series of one method. */
struct grpc_series {
    struct metric_family *durations;
    struct str name; /* "package.Service/Method", borrowed */
    uint64_t *started;
    uint64_t *received;
    uint64_t *sent;
    uint64_t *handled[GRPC_CODE_COUNT];
    struct metric_histogram *seconds;
    struct metric_histogram *cpu;
    struct metric_histogram *duration[GRPC_CODE_COUNT]; /* made when first used */
};

/* grpc_metrics_init registers the families. Returns: 0; UV_ENOMEM. */
MUST_USE int grpc_metrics_init(struct grpc_metrics *gm, struct metrics *metrics);

/* grpc_metrics_add makes the series of a method, all at zero.
 *
 * kind: an enum grpc_kind. name: "package.Service/Method", borrowed for the series' life.
 */
void grpc_metrics_add(const struct grpc_metrics *gm, int kind, const char *name,
                      struct grpc_series *series);

/* grpc_metrics_count counts a call that has ended. */
void grpc_metrics_count(struct grpc_series *series, enum grpc_code code, uint64_t duration_ns);

#endif
