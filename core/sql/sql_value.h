/* SPDX-License-Identifier: MIT
 *
 * sql_value.h - parameters and results of statements: typed values, rows, errors.
 *
 * Memory: texts and blobs are views. A parameter's bytes are the caller's until the query ends; a
 *         result and all it points at lies in the arena that the query named.
 */
#ifndef TOQ_CORE_SQL_SQL_VALUE_H
#define TOQ_CORE_SQL_SQL_VALUE_H

#include "core/base/arena.h"

enum sql_type {
    SQL_NULL,
    SQL_I64,      /* signed integers of any width, YEAR */
    SQL_U64,      /* unsigned integers of any width */
    SQL_F64,      /* FLOAT, DOUBLE */
    SQL_TEXT,     /* CHAR, VARCHAR, TEXT, ENUM, SET, JSON; DECIMAL and TIME as text; UTF-8 */
    SQL_BLOB,     /* BINARY, VARBINARY, BLOB, BIT */
    SQL_DATETIME, /* DATE, DATETIME, TIMESTAMP; a date of zeros is SQL_NULL */
};

struct sql_value {
    enum sql_type type;
    union {
        int64_t i64;
        uint64_t u64;
        double f64;
        struct str str; /* SQL_TEXT, SQL_BLOB; in results a NUL stands behind it */
        int64_t us;     /* SQL_DATETIME: microseconds since 1970 UTC */
    };
};

struct sql_row {
    struct sql_row *next;      /* NULL: the last one */
    struct sql_value values[]; /* as many as the result has columns */
};

/* An error of the server or of the client library. */
struct sql_error {
    unsigned code;      /* 1062, 2013 ...; 0: none, or a failure of our own (a deadline, a limit) */
    char sqlstate[6];   /* "23000" */
    struct str message; /* for logs; never for peers */
};

struct sql_result {
    int status; /* 0, or what sql_query_fn lists */
    struct sql_error error;
    uint64_t affected_rows; /* by INSERT, UPDATE, DELETE; an UPDATE counts only changed rows */
    uint64_t insert_id;     /* of an AUTO_INCREMENT column */
    size_t column_count;
    size_t row_count;
    struct sql_row *rows; /* the first one; NULL: none */
};

/* sql_null is the parameter NULL. */
static inline struct sql_value sql_null(void)
{
    return (struct sql_value){.type = SQL_NULL};
}

/* sql_i64 is a signed integer parameter. */
static inline struct sql_value sql_i64(int64_t value)
{
    return (struct sql_value){.type = SQL_I64, .i64 = value};
}

/* sql_u64 is an unsigned integer parameter. */
static inline struct sql_value sql_u64(uint64_t value)
{
    return (struct sql_value){.type = SQL_U64, .u64 = value};
}

/* sql_f64 is a floating-point parameter. */
static inline struct sql_value sql_f64(double value)
{
    return (struct sql_value){.type = SQL_F64, .f64 = value};
}

/* sql_text is a UTF-8 text parameter. */
static inline struct sql_value sql_text(struct str text)
{
    return (struct sql_value){.type = SQL_TEXT, .str = text};
}

/* sql_blob is a parameter of bytes. */
static inline struct sql_value sql_blob(struct str bytes)
{
    return (struct sql_value){.type = SQL_BLOB, .str = bytes};
}

/* sql_datetime is a point in time as a parameter.
 *
 * us: microseconds since 1970 UTC, within the years 1 to 9999.
 */
static inline struct sql_value sql_datetime(int64_t us)
{
    return (struct sql_value){.type = SQL_DATETIME, .us = us};
}

#endif
