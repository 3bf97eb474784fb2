/* SPDX-License-Identifier: MIT
 *
 * sql_statements.c - a small table of names in front of the registry.
 */
#include "core/sql/sql_statements.h"

#include "core/loop/loop.h"

const double sql_duration_bounds[SQL_DURATION_BOUNDS] = {0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05,
                                                         0.1,    0.5,    1,     5,     10};

int sql_statements_register(struct sql_statements *statements, struct metrics *metrics)
{
    static const char *const labels[] = {"statement", NULL};
    const struct metric_family_options options = {
        .type = METRIC_HISTOGRAM,
        .name = "toq_sql_statement_duration_seconds",
        .help = "Time of named statements, waiting for a connection included.",
        .labels = labels,
        .bounds = sql_duration_bounds,
        .bound_count = SQL_DURATION_BOUNDS,
    };
    statements->family = metrics_family(metrics, &options);
    return statements->family == NULL ? UV_ENOMEM : 0;
}

/* row_of finds the row of a name. A name may have several addresses: then it has a row for each,
 * and one series for all. The last row is for all names without a row of their own. */
static struct sql_statement_row *row_of(struct sql_statements *statements, const char *name)
{
    /* a program has a dozen statements: comparing addresses beats hashing the name */
    for (size_t i = 0; i < statements->count; i++) {
        if (statements->rows[i].name == name) {
            return &statements->rows[i];
        }
    }
    if (statements->count == SQL_STATEMENTS_MAX) {
        return &statements->rows[SQL_STATEMENTS_MAX - 1];
    }
    const bool is_last = statements->count == SQL_STATEMENTS_MAX - 1;
    const struct str value = is_last ? STR("other") : str_from(name);
    struct sql_statement_row *row = &statements->rows[statements->count++];
    *row = (struct sql_statement_row){name, metric_histogram(statements->family, &value)};
    return row;
}

void sql_statements_observe(struct sql_statements *statements, const char *name, double seconds)
{
    if (name == NULL || statements->family == NULL) {
        return;
    }
    metric_observe(row_of(statements, name)->seconds, seconds);
}
