/* SPDX-License-Identifier: MIT
 *
 * sql_statements.h - how long each named statement takes: a histogram for every name.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_STATEMENTS_H
#define TOQ_CORE_SQL_SQL_STATEMENTS_H

#include "core/telemetry/metrics.h"

#define SQL_STATEMENTS_MAX 64 /* series; the last one is "other", for all further names */

struct sql_statement_row {
    const char *name; /* a literal: compared by its address */
    struct metric_histogram *seconds;
};

struct sql_statements {
    struct metric_family *family; /* NULL until sql_statements_register */
    struct sql_statement_row rows[SQL_STATEMENTS_MAX];
    size_t count;
};

/* The bounds of durations in seconds, of statements with a name and of all: those that
 * OpenTelemetry advises for db.client.operation.duration, and one below. */
#define SQL_DURATION_BOUNDS 11
extern const double sql_duration_bounds[SQL_DURATION_BOUNDS];

/* sql_statements_register adds the family. Returns: 0; UV_ENOMEM. */
MUST_USE int sql_statements_register(struct sql_statements *statements, struct metrics *metrics);

/* sql_statements_observe counts a statement that has ended.
 *
 * name: NULL: it has none.
 */
void sql_statements_observe(struct sql_statements *statements, const char *name, double seconds);

#endif
