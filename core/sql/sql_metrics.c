/* SPDX-License-Identifier: MIT
 *
 * sql_metrics.c - the pool's counters under the names that Go's database/sql has for its own.
 *
 * Source: collectors.NewDBStatsCollector of client_golang: go_sql_* with the label db_name.
 */
#include <stdlib.h>

#include "core/sql/sql_internal.h"

enum source {
    SOURCE_SIZE,
    SOURCE_U64,
    SOURCE_IN_USE,
    SOURCE_STATE,
    SOURCE_DEGRADED,
    SOURCE_WAITERS
};

struct row {
    const char *name;
    const char *help;
    enum metric_type type;
    enum source source;
    size_t offset; /* in struct sql_stats, for SOURCE_SIZE and SOURCE_U64 */
    uint64_t divisor;
};

#define STAT(field) offsetof(struct sql_stats, field)

static const struct row rows[] = {
    {"toq_sql_max_open_connections", "Connections the pool may open.", METRIC_GAUGE, SOURCE_SIZE,
     STAT(max_connections), 0},
    {"toq_sql_open_connections", "Connections open, in use and idle.", METRIC_GAUGE, SOURCE_SIZE,
     STAT(open), 0},
    {"toq_sql_in_use_connections", "Connections in use.", METRIC_GAUGE, SOURCE_IN_USE, 0, 0},
    {"toq_sql_idle_connections", "Connections idle.", METRIC_GAUGE, SOURCE_SIZE, STAT(idle), 0},
    {"toq_sql_waiting_queries", "Queries waiting for a connection.", METRIC_GAUGE, SOURCE_WAITERS,
     0, 0},
    {"toq_sql_up", "Whether the server answered the last check.", METRIC_GAUGE, SOURCE_STATE, 0, 0},
    {"toq_sql_degraded", "Whether it answers, but takes no writes or lets them wait.", METRIC_GAUGE,
     SOURCE_DEGRADED, 0, 0},
    {"toq_sql_wait_count_total", "Queries that waited for a connection.", METRIC_COUNTER,
     SOURCE_U64, STAT(waits), 0},
    {"toq_sql_wait_duration_seconds_total", "Time waited for connections.", METRIC_COUNTER,
     SOURCE_U64, STAT(wait_ns), NS_PER_S},
    {"toq_sql_max_idle_time_closed_total", "Connections closed because nobody used them.",
     METRIC_COUNTER, SOURCE_U64, STAT(max_idle_closed), 0},
    {"toq_sql_max_lifetime_closed_total", "Connections closed because they were old.",
     METRIC_COUNTER, SOURCE_U64, STAT(max_lifetime_closed), 0},
    {"toq_sql_lost_connections_total", "Connections that broke, or had to be given up.",
     METRIC_COUNTER, SOURCE_U64, STAT(lost), 0},
    {"toq_sql_connects_total", "Connections opened.", METRIC_COUNTER, SOURCE_U64, STAT(connects),
     0},
    {"toq_sql_connect_failures_total", "Attempts to connect that failed.", METRIC_COUNTER,
     SOURCE_U64, STAT(connect_failures), 0},
    {"toq_sql_query_failures_total", "Queries that ended with an error.", METRIC_COUNTER,
     SOURCE_U64, STAT(failures), 0},
    {"toq_sql_query_timeouts_total", "Queries that ended by their deadline.", METRIC_COUNTER,
     SOURCE_U64, STAT(timeouts), 0},
    {"toq_sql_query_cancels_total", "Queries and transactions that were given up.", METRIC_COUNTER,
     SOURCE_U64, STAT(cancels), 0},
    {"toq_sql_query_refusals_total", "Queries refused: queue full or server down.", METRIC_COUNTER,
     SOURCE_U64, STAT(refusals), 0},
    {"toq_sql_prepares_total", "Statements prepared.", METRIC_COUNTER, SOURCE_U64, STAT(prepares),
     0},
    {"toq_sql_deadlock_retries_total", "Transactions run anew after a conflict with others.",
     METRIC_COUNTER, SOURCE_U64, STAT(deadlock_retries), 0},
};

struct sql_metrics {
    const struct sql *sql;
    union {
        uint64_t *counter;
        double *gauge;
    } cells[ARRAY_COUNT(rows)];
};

static uint64_t read_row(const struct sql *sql, const struct row *row)
{
    const char *stat = (const char *)&sql->stats + row->offset;
    switch (row->source) {
    case SOURCE_SIZE:
        return *(const size_t *)(const void *)stat;
    case SOURCE_U64:
        return *(const uint64_t *)(const void *)stat;
    case SOURCE_IN_USE:
        return sql->stats.open - sql->stats.idle;
    case SOURCE_WAITERS:
        return sql_pool_waiters(sql);
    case SOURCE_DEGRADED:
        return sql->state == SQL_DEGRADED ? 1 : 0;
    case SOURCE_STATE:
        return sql->state == SQL_UP || sql->state == SQL_DEGRADED ? 1 : 0;
    }
    return 0;
}

static void collect(void *arg)
{
    const struct sql_metrics *sm = arg;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const uint64_t value = read_row(sm->sql, &rows[i]);
        if (rows[i].type == METRIC_COUNTER) {
            METRIC_SET(sm->cells[i].counter, value);
        } else {
            METRIC_SET(sm->cells[i].gauge, (double)value);
        }
    }
}

static const char *const labels[] = {"db_name", NULL};

static int add_rows(struct sql_metrics *sm, struct metrics *metrics, const struct str *db_name)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct metric_family_options options = {.type = rows[i].type,
                                                      .name = rows[i].name,
                                                      .help = rows[i].help,
                                                      .labels = labels,
                                                      .divisor = rows[i].divisor};
        struct metric_family *family = metrics_family(metrics, &options);
        if (family == NULL) {
            return UV_ENOMEM;
        }
        if (rows[i].type == METRIC_COUNTER) {
            sm->cells[i].counter = metric_counter(family, db_name);
        } else {
            sm->cells[i].gauge = metric_gauge(family, db_name);
        }
    }
    return 0;
}

int sql_register_metrics(struct sql *sql, struct metrics *metrics)
{
    /* the bounds that OpenTelemetry advises for db.client.operation.duration, and one below */
    static const double bounds[] = {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};
    REQUIRE(sql->metrics == NULL);
    struct sql_metrics *sm = calloc(1, sizeof(*sm));
    if (sm == NULL) {
        return UV_ENOMEM;
    }
    sm->sql = sql;
    const struct str db_name = str_from(sql->options.database);
    int rc = pool_register_metrics(sql->dialers, metrics);
    rc = rc < 0 ? rc : add_rows(sm, metrics, &db_name);
    rc = rc < 0 ? rc : sql_statements_register(&sql->statements, metrics);
    struct metric_family *duration =
        metrics_family(metrics, &(struct metric_family_options){
                                    .type = METRIC_HISTOGRAM,
                                    .name = "toq_sql_query_duration_seconds",
                                    .help = "Time of queries, waiting for a connection included.",
                                    .labels = labels,
                                    .bounds = bounds,
                                    .bound_count = ARRAY_COUNT(bounds)});
    rc = rc < 0 || duration == NULL ? UV_ENOMEM : metrics_add_collector(metrics, collect, sm);
    if (rc < 0) {
        free(sm);
        return rc;
    }
    sql->duration = metric_histogram(duration, &db_name);
    sql->metrics = sm;
    return 0;
}

void sql_metrics_destroy(struct sql_metrics *metrics)
{
    free(metrics);
}
