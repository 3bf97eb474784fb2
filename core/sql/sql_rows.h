/* SPDX-License-Identifier: MIT
 *
 * sql_rows.h - the rows of a result, read column by column, in the order of the SELECT.
 *
 *     struct sql_rows rows = sql_rows_of(result);
 *     while (sql_rows_next(&rows)) {
 *         struct str id = sql_rows_text(&rows);
 *         uint64_t price = sql_rows_u64(&rows);
 *     }
 *     if (rows.status < 0) ...
 *
 * Failure: a column that is NULL or of another type than asked for is read as 0 or "", as is one
 *          where no row is: status is UV_EPROTO from then on, and the first one is logged. The
 *          result's own status is the reader's at first, and a failed result has no rows.
 * Memory:  texts are the result's.
 */
#ifndef TOQ_CORE_SQL_SQL_ROWS_H
#define TOQ_CORE_SQL_SQL_ROWS_H

#include "core/sql/sql_value.h"

struct sql_rows {
    int status; /* 0 so far */
    const struct sql_result *result;
    /* private */
    const struct sql_row *row; /* the current one */
    size_t column;             /* the next one */
};

/* sql_rows_of begins to read a result. */
struct sql_rows sql_rows_of(const struct sql_result *result);

/* sql_rows_next moves to the next row, at first to the first. Returns: false: there is none. */
MUST_USE bool sql_rows_next(struct sql_rows *rows);

/* sql_rows_is_null tells whether the next column is NULL, and if so skips it. */
bool sql_rows_is_null(struct sql_rows *rows);

/* sql_rows_i64 reads an integer of either sign, where it fits. */
int64_t sql_rows_i64(struct sql_rows *rows);

/* sql_rows_u64 reads an integer that is not negative. */
uint64_t sql_rows_u64(struct sql_rows *rows);

/* sql_rows_f64 reads a FLOAT or a DOUBLE. */
double sql_rows_f64(struct sql_rows *rows);

/* sql_rows_text reads a text; a NUL follows it. */
struct str sql_rows_text(struct sql_rows *rows);

/* sql_rows_blob reads bytes. */
struct str sql_rows_blob(struct sql_rows *rows);

/* sql_rows_datetime reads a date or a time of day, in microseconds since 1970 UTC. */
int64_t sql_rows_datetime(struct sql_rows *rows);

#endif
