/* SPDX-License-Identifier: MIT
 *
 * sql_metrics.c - the pool's counters, under the names of Go's database/sql.
 *
 * Source: collectors.NewDBStatsCollector of client_golang: go_sql_* with the label db_name.
 */
#include "core/sql/sql_pool.h"

struct sql_values {
    struct sql_stats stats;
    size_t in_use;
    size_t waiters;
    bool is_up;
    bool is_degraded;
};

static void fill(void *arg, void *values)
{
    const struct sql *sql = arg;
    *(struct sql_values *)values = (struct sql_values){
        .stats = sql_get_stats(sql),
        .in_use = sql->stats.open - sql->stats.idle,
        .waiters = sql_pool_waiters(sql),
        .is_up = sql->state == SQL_UP || sql->state == SQL_DEGRADED,
        .is_degraded = sql->state == SQL_DEGRADED,
    };
}

static const struct metric_row rows[] = {
    {"toq_sql_max_open_connections", "Connections the pool may open.", METRIC_GAUGE,
     METRIC_FIELD(struct sql_values, stats.max_connections)},
    {"toq_sql_open_connections", "Connections open, in use and idle.", METRIC_GAUGE,
     METRIC_FIELD(struct sql_values, stats.open)},
    {"toq_sql_in_use_connections", "Connections in use.", METRIC_GAUGE,
     METRIC_FIELD(struct sql_values, in_use)},
    {"toq_sql_idle_connections", "Connections idle.", METRIC_GAUGE,
     METRIC_FIELD(struct sql_values, stats.idle)},
    {"toq_sql_waiting_queries", "Queries waiting for a connection.", METRIC_GAUGE,
     METRIC_FIELD(struct sql_values, waiters)},
    {"toq_sql_up", "Whether the server answered the last check.", METRIC_GAUGE,
     METRIC_FIELD(struct sql_values, is_up)},
    {"toq_sql_degraded", "Whether it answers, but writes fail or statements wait.", METRIC_GAUGE,
     METRIC_FIELD(struct sql_values, is_degraded)},
    {"toq_sql_wait_count_total", "Queries that waited for a connection.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.waits)},
    {"toq_sql_wait_duration_seconds_total", "Time waited for connections.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.wait_ns), .divisor = NS_PER_S},
    {"toq_sql_max_idle_time_closed_total", "Connections closed because they were idle.",
     METRIC_COUNTER, METRIC_FIELD(struct sql_values, stats.max_idle_closed)},
    {"toq_sql_max_lifetime_closed_total", "Connections closed because they were old.",
     METRIC_COUNTER, METRIC_FIELD(struct sql_values, stats.max_lifetime_closed)},
    {"toq_sql_lost_connections_total", "Connections that broke, or were dropped with a query.",
     METRIC_COUNTER, METRIC_FIELD(struct sql_values, stats.lost)},
    {"toq_sql_connects_total", "Connections opened.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.connects)},
    {"toq_sql_connect_failures_total", "Attempts to connect that failed.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.connect_failures)},
    {"toq_sql_query_failures_total", "Queries that ended with an error.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.failures)},
    {"toq_sql_query_timeouts_total", "Queries whose deadline passed.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.timeouts)},
    {"toq_sql_query_cancels_total", "Queries and transactions that were cancelled.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.cancels)},
    {"toq_sql_query_refusals_total", "Queries refused: queue full or server down.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.refusals)},
    {"toq_sql_prepares_total", "Statements prepared.", METRIC_COUNTER,
     METRIC_FIELD(struct sql_values, stats.prepares)},
    {"toq_sql_deadlock_retries_total", "Transactions run again after a conflict with others.",
     METRIC_COUNTER, METRIC_FIELD(struct sql_values, stats.deadlock_retries)},
};

static const char *const labels[] = {"db_name", NULL};

int sql_register_metrics(struct sql *sql, struct metrics *metrics)
{
    REQUIRE(sql->duration == NULL);
    int rc = pool_register_metrics(sql->dialer.threads, metrics);
    rc = rc < 0 ? rc : sql_statements_register(&sql->statements, metrics);
    if (rc < 0) {
        return rc;
    }
    struct metric_family *duration =
        metrics_family(metrics, &(struct metric_family_options){
                                    .type = METRIC_HISTOGRAM,
                                    .name = "toq_sql_query_duration_seconds",
                                    .help = "Time of queries, waiting for a connection included.",
                                    .labels = labels,
                                    .bounds = sql_duration_bounds,
                                    .bound_count = SQL_DURATION_BOUNDS});
    if (duration == NULL) {
        return UV_ENOMEM;
    }
    const struct str db_name = str_from(sql->options.database);
    sql->duration = metric_histogram(duration, &db_name);
    return metrics_export(metrics, &(struct metrics_export){
                                       .rows = rows,
                                       .row_count = ARRAY_COUNT(rows),
                                       .labels = labels,
                                       .value = sql->options.database,
                                       .fill = fill,
                                       .values_bytes = sizeof(struct sql_values),
                                       .arg = sql,
                                   });
}
