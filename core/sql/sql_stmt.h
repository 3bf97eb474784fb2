/* SPDX-License-Identifier: MIT
 *
 * sql_stmt.h - prepared statements of a connection: the cache, parameters in, rows out.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_SQL_SQL_STMT_H
#define TOQ_CORE_SQL_SQL_STMT_H

#include "core/sql/sql_conn.h"

/* Where the library puts one column of the row it has read. */
struct sql_cell {
    union {
        int64_t i64;
        double f64;
        MYSQL_TIME time;
    };
    enum sql_type type;
    unsigned long len;
    my_bool is_null;
};

/* A prepared statement, owned by its connection. */
struct sql_stmt {
    struct list link; /* in the connection's cache, most recently used first */
    MYSQL_STMT *handle;
    struct sql_cell *cells; /* one a column; NULL until the first execution with rows */
    size_t cell_count;
    size_t text_len;
    char text[];
};

/* sql_stmt_find finds the statement of a text in the connection's cache, and makes it the most
 * recent one.
 *
 * Returns: the statement; NULL: there is none.
 */
struct sql_stmt *sql_stmt_find(struct sql_conn *conn, struct str text);

/* sql_stmt_add makes a statement that is still to be prepared, the most recent one of the cache.
 *
 * Returns: the statement; NULL when memory is missing.
 */
MUST_USE struct sql_stmt *sql_stmt_add(struct sql_conn *conn, struct str text);

/* sql_stmt_take_oldest takes the least recently used statement out of the cache, which is not
 * empty; the caller closes and frees it. */
struct sql_stmt *sql_stmt_take_oldest(struct sql_conn *conn);

/* sql_stmt_free frees a statement; one that is prepared must have been closed, or its connection.
 */
void sql_stmt_free(struct sql_stmt *stmt);

/* sql_stmt_free_all frees the statements of a connection that has ended, and its room for
 * parameters. */
void sql_stmt_free_all(struct sql_conn *conn);

/* sql_stmt_bind_params binds the parameters of `conn->query` to `conn->stmt`.
 *
 * Returns: 0; UV_EINVAL: they do not fit the statement; UV_ENOMEM.
 */
MUST_USE int sql_stmt_bind_params(struct sql_conn *conn);

/* sql_stmt_bind_row has the library put each row into the statement's cells.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int sql_stmt_bind_row(struct sql_stmt *stmt);

/* sql_stmt_add_row copies the row that was fetched into the query's arena; on an error the result
 * does not get it.
 *
 * Returns: 0; UV_EMSGSIZE: above max_rows or max_bytes; UV_ENOMEM: the arena is full; UV_EPROTO:
 *          the
 *          library cannot read a value.
 */
MUST_USE int sql_stmt_add_row(struct sql_stmt *stmt, struct sql_query *query);

#endif
