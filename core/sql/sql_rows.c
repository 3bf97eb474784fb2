/* SPDX-License-Identifier: MIT
 *
 * sql_rows.c - one look at the type of each value before it is taken.
 */
#include "core/sql/sql_rows.h"

#include "core/loop/loop.h"
#include "core/telemetry/log_limit.h"

static const char *type_name(enum sql_type type)
{
    static const char *const names[] = {
        [SQL_NULL] = "NULL",       [SQL_I64] = "a signed integer", [SQL_U64] = "an integer",
        [SQL_F64] = "a float",     [SQL_TEXT] = "a text",          [SQL_BLOB] = "bytes",
        [SQL_DATETIME] = "a date",
    };
    return names[type];
}

struct sql_rows sql_rows_of(const struct sql_result *result)
{
    return (struct sql_rows){.status = result->status, .result = result};
}

bool sql_rows_next(struct sql_rows *rows)
{
    rows->row = rows->row == NULL ? rows->result->rows : rows->row->next;
    rows->column = 0;
    return rows->row != NULL;
}

/* next takes the next column's value; one behind the last is NULL, and each where no row is. */
static struct sql_value next(struct sql_rows *rows)
{
    const size_t column = rows->column++;
    const bool is_there = rows->row != NULL && column < rows->result->column_count;
    return is_there ? rows->row->values[column] : sql_null();
}

static void fail(struct sql_rows *rows, enum sql_type found, enum sql_type wanted)
{
    if (rows->status == 0) {
        rows->status = UV_EPROTO;
        LOG_LIMITED(LOG_ERROR, "sql", "a column has another type than its reader expects",
                    log_u64("column", rows->column), log_cstr("found", type_name(found)),
                    log_cstr("wanted", type_name(wanted)));
    }
}

bool sql_rows_is_null(struct sql_rows *rows)
{
    const bool is_null = next(rows).type == SQL_NULL;
    rows->column -= is_null ? 0 : 1;
    return is_null;
}

int64_t sql_rows_i64(struct sql_rows *rows)
{
    const struct sql_value value = next(rows);
    if (value.type == SQL_I64) {
        return value.i64;
    }
    if (value.type == SQL_U64 && value.u64 <= INT64_MAX) {
        return (int64_t)value.u64;
    }
    fail(rows, value.type, SQL_I64);
    return 0;
}

uint64_t sql_rows_u64(struct sql_rows *rows)
{
    const struct sql_value value = next(rows);
    if (value.type == SQL_U64) {
        return value.u64;
    }
    if (value.type == SQL_I64 && value.i64 >= 0) {
        return (uint64_t)value.i64;
    }
    fail(rows, value.type, SQL_U64);
    return 0;
}

double sql_rows_f64(struct sql_rows *rows)
{
    const struct sql_value value = next(rows);
    if (value.type == SQL_F64) {
        return value.f64;
    }
    fail(rows, value.type, SQL_F64);
    return 0;
}

static struct str take_bytes(struct sql_rows *rows, enum sql_type type)
{
    const struct sql_value value = next(rows);
    if (value.type == type) {
        return value.str;
    }
    fail(rows, value.type, type);
    return STR("");
}

struct str sql_rows_text(struct sql_rows *rows)
{
    return take_bytes(rows, SQL_TEXT);
}

struct str sql_rows_blob(struct sql_rows *rows)
{
    return take_bytes(rows, SQL_BLOB);
}

int64_t sql_rows_datetime(struct sql_rows *rows)
{
    const struct sql_value value = next(rows);
    if (value.type == SQL_DATETIME) {
        return value.us;
    }
    fail(rows, value.type, SQL_DATETIME);
    return 0;
}
