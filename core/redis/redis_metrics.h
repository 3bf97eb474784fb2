/* SPDX-License-Identifier: MIT
 *
 * redis_metrics.h - metrics of the Redis client: commands by operation and result, and its
 * connections.
 *
 * Source: OpenTelemetry semantic conventions 1.44, db.client.operation.duration.
 */
#ifndef TOQ_CORE_REDIS_REDIS_METRICS_H
#define TOQ_CORE_REDIS_REDIS_METRICS_H

#include "core/redis/redis_conn.h"

#define REDIS_OPERATIONS_MAX     48
#define REDIS_OPERATION_NAME_MAX 16

/* How a command ended: the label error_type. */
enum redis_result {
    REDIS_RESULT_OK,        /* "" */
    REDIS_RESULT_ERROR,     /* "server_error": the server answered with an error */
    REDIS_RESULT_TIMEOUT,   /* "timeout" */
    REDIS_RESULT_LOST,      /* "connection": it broke first */
    REDIS_RESULT_CANCELLED, /* "cancelled": by the caller, or redis_close */
    REDIS_RESULT_COUNT,
};

/* A command's name with its series. */
struct redis_operation {
    char name[REDIS_OPERATION_NAME_MAX];
    size_t name_len;
    const char *kept_name;                                /* literal_keep's */
    struct metric_histogram *seconds[REDIS_RESULT_COUNT]; /* NULL until the first */
};

struct redis_metrics {
    struct metric_family *duration; /* NULL until redis_metrics_register: nothing is counted */
    struct redis_operation operations[REDIS_OPERATIONS_MAX];
    size_t operation_count; /* the first is "other", for names without one of their own */
    uint64_t *refused;
};

/* redis_metrics_register adds the families of commands.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int redis_metrics_register(struct redis_metrics *rm, struct metrics *metrics);

/* redis_metrics_operation finds or makes the operation of a command; NULL when nothing is
 * counted. */
struct redis_operation *redis_metrics_operation(struct redis_metrics *rm, struct str name);

/* redis_metrics_name is a command's name, which lives as long as the process; NULL when nothing is
 * counted. */
const char *redis_metrics_name(const struct redis_operation *operation);

/* redis_metrics_count counts one command that has ended; harmless when operation is NULL. */
void redis_metrics_count(struct redis_metrics *rm, struct redis_operation *operation,
                         enum redis_result result, uint64_t duration_ns);

/* redis_metrics_refuse counts one command that was not accepted. */
void redis_metrics_refuse(struct redis_metrics *rm);

/* redis_conn_register_metrics adds the families of connections with the series of one, labelled by
 * its role.
 *
 * Owns:    rc outlives `metrics`, or its exports.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int redis_conn_register_metrics(struct redis_conn *rc, struct metrics *metrics);

#endif
