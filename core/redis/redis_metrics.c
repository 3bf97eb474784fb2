/* SPDX-License-Identifier: MIT
 *
 * redis_metrics.c - a small table of commands in front of the registry, and a collector.
 */
#include "core/redis/redis_metrics.h"

#include "core/base/literal.h"

static const char *const error_types[REDIS_RESULT_COUNT] = {"", "server_error", "timeout",
                                                            "connection", "cancelled"};

static void add_operation(struct redis_metrics *rm, struct str name)
{
    struct redis_operation *operation = &rm->operations[rm->operation_count++];
    *operation = (struct redis_operation){.name_len = name.len, .kept_name = literal_keep(name)};
    memcpy(operation->name, name.ptr, name.len);
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

/* --- connections ---------------------------------------------------------------------------------
 */

struct counter_row {
    const char *name;
    const char *help;
    size_t offset; /* of the uint64_t in struct redis_conn */
};

static const struct counter_row counter_rows[REDIS_CONN_COUNTERS_COUNT] = {
    {"toq_redis_connects_total", "Times a connection to Redis became ready.",
     offsetof(struct redis_conn, ready_count)},
    {"toq_redis_received_bytes_total", "Bytes read from Redis.",
     offsetof(struct redis_conn, stats.received_bytes)},
    {"toq_redis_sent_bytes_total", "Bytes written to Redis.",
     offsetof(struct redis_conn, stats.sent_bytes)},
};

static void collect(void *arg)
{
    const struct redis_conn_metrics *cm = arg;
    METRIC_SET(cm->connected, redis_conn_is_ready(cm->rc) ? 1 : 0);
    METRIC_SET(cm->queued_bytes, cm->rc->conn == NULL ? 0 : (double)cm->rc->conn->out.len);
    for (size_t i = 0; i < REDIS_CONN_COUNTERS_COUNT; i++) {
        const uint64_t *counter =
            (const uint64_t *)(const void *)((const char *)cm->rc + counter_rows[i].offset);
        METRIC_SET(cm->counters[i], *counter);
    }
}

static struct metric_family *family(struct metrics *metrics, enum metric_type type,
                                    const char *name, const char *help)
{
    static const char *const labels[] = {"connection", NULL};
    const struct metric_family_options options = {
        .type = type, .name = name, .help = help, .labels = labels};
    return metrics_family(metrics, &options);
}

int redis_conn_metrics_register(struct redis_conn_metrics *cm, struct metrics *metrics,
                                const struct redis_conn *rc)
{
    const struct str role = str_from(rc->role);
    struct metric_family *connected = family(metrics, METRIC_GAUGE, "toq_redis_connected",
                                             "Whether a connection to Redis is ready: 1 or 0.");
    struct metric_family *queued = family(metrics, METRIC_GAUGE, "toq_redis_queued_bytes",
                                          "Bytes that a connection's socket has not taken yet.");
    if (connected == NULL || queued == NULL) {
        return UV_ENOMEM;
    }
    cm->rc = rc;
    cm->connected = metric_gauge(connected, &role);
    cm->queued_bytes = metric_gauge(queued, &role);
    for (size_t i = 0; i < REDIS_CONN_COUNTERS_COUNT; i++) {
        struct metric_family *counter =
            family(metrics, METRIC_COUNTER, counter_rows[i].name, counter_rows[i].help);
        if (counter == NULL) {
            return UV_ENOMEM;
        }
        cm->counters[i] = metric_counter(counter, &role);
    }
    return metrics_add_collector(metrics, collect, cm);
}
