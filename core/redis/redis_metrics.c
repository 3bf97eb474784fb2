/* SPDX-License-Identifier: MIT
 *
 * redis_metrics.c - a small table of commands in front of the registry, and the counters
 * of connections.
 */
#include "core/redis/redis_metrics.h"

#include "core/base/literal.h"

static const char *const error_types[REDIS_RESULT_COUNT] = {"", "server_error", "timeout",
                                                            "connection", "cancelled"};

static void add_operation(struct redis_metrics *rm, struct str name)
{
    struct redis_operation *operation = &rm->operations[rm->operation_count++];
    *operation = (struct redis_operation){.name_len = name.len, .kept_name = literal_keep(name)};
    (void)str_put(operation->name, name);
}

int redis_metrics_register(struct redis_metrics *rm, struct metrics *metrics)
{
    static const char *const labels[] = {"db_system_name", "db_operation_name", "error_type", NULL};
    /* those of the conventions, and some below: Redis answers in less than their first, 1 ms */
    static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01,
                                    0.05,   0.1,     0.5,    1,     5,     10};
    const struct metric_family_options duration = {
        .type = METRIC_HISTOGRAM,
        .name = "db_client_operation_duration_seconds",
        .help = "Time from handing an operation to the database client to its end.",
        .labels = labels,
        .bounds = bounds,
        .bound_count = ARRAY_COUNT(bounds),
    };
    const struct metric_family_options refused = {
        .type = METRIC_COUNTER,
        .name = "toq_redis_refused_total",
        .help = "Commands that were not accepted: no connection, or too many of them.",
    };
    struct metric_family *duration_family = metrics_family(metrics, &duration);
    struct metric_family *refused_family = metrics_family(metrics, &refused);
    if (duration_family == NULL || refused_family == NULL) {
        return UV_ENOMEM;
    }
    *rm = (struct redis_metrics){.duration = duration_family};
    rm->refused = metric_counter(refused_family, NULL);
    add_operation(rm, STR("other"));
    return 0;
}

struct redis_operation *redis_metrics_operation(struct redis_metrics *rm, struct str name)
{
    if (rm->duration == NULL) {
        return NULL;
    }
    /* a program uses a dozen commands: comparing them beats hashing the name */
    for (size_t i = 1; i < rm->operation_count; i++) {
        const struct redis_operation *o = &rm->operations[i];
        if (str_equal(name, (struct str){o->name, o->name_len})) {
            return &rm->operations[i];
        }
    }
    if (name.len > REDIS_OPERATION_NAME_MAX || rm->operation_count == REDIS_OPERATIONS_MAX) {
        return &rm->operations[0];
    }
    add_operation(rm, name);
    return &rm->operations[rm->operation_count - 1];
}

const char *redis_metrics_name(const struct redis_operation *operation)
{
    return operation == NULL ? NULL : operation->kept_name;
}

void redis_metrics_count(struct redis_metrics *rm, struct redis_operation *operation,
                         enum redis_result result, uint64_t duration_ns)
{
    if (operation == NULL) {
        return;
    }
    if (operation->seconds[result] == NULL) {
        const struct str values[] = {
            STR("redis"), {operation->name, operation->name_len}, str_from(error_types[result])};
        operation->seconds[result] = metric_histogram(rm->duration, values);
    }
    metric_observe(operation->seconds[result], (double)duration_ns * 1e-9);
}

void redis_metrics_refuse(struct redis_metrics *rm)
{
    if (rm->refused != NULL) {
        METRIC_ADD(rm->refused, 1);
    }
}

/* --- connections --- */

struct conn_values {
    uint64_t ready_count;
    uint64_t received_bytes;
    uint64_t sent_bytes;
    size_t queued_bytes;
    bool is_ready;
};

static void fill(void *arg, void *values)
{
    const struct redis_conn *rc = arg;
    *(struct conn_values *)values = (struct conn_values){
        .ready_count = rc->ready_count,
        .received_bytes = rc->stats.received_bytes,
        .sent_bytes = rc->stats.sent_bytes,
        .queued_bytes = rc->conn == NULL ? 0 : rc->conn->out.len,
        .is_ready = redis_conn_is_ready(rc),
    };
}

int redis_conn_register_metrics(struct redis_conn *rc, struct metrics *metrics)
{
    static const char *const labels[] = {"connection", NULL};
    static const struct metric_row rows[] = {
        {"toq_redis_connected", "Whether a connection to Redis is ready: 1 or 0.", METRIC_GAUGE,
         METRIC_FIELD(struct conn_values, is_ready)},
        {"toq_redis_queued_bytes", "Bytes that a connection's socket has not taken yet.",
         METRIC_GAUGE, METRIC_FIELD(struct conn_values, queued_bytes)},
        {"toq_redis_connects_total", "Times a connection to Redis became ready.", METRIC_COUNTER,
         METRIC_FIELD(struct conn_values, ready_count)},
        {"toq_redis_received_bytes_total", "Bytes read from Redis.", METRIC_COUNTER,
         METRIC_FIELD(struct conn_values, received_bytes)},
        {"toq_redis_sent_bytes_total", "Bytes written to Redis.", METRIC_COUNTER,
         METRIC_FIELD(struct conn_values, sent_bytes)},
    };
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = rows,
                                       .row_count = ARRAY_COUNT(rows),
                                       .labels = labels,
                                       .value = rc->role,
                                       .fill = fill,
                                       .values_bytes = sizeof(struct conn_values),
                                       .arg = rc,
                                   });
}
