/* SPDX-License-Identifier: MIT
 *
 * sql_stmt.c - prepared statements of a connection: the cache, parameters in, rows out.
 *
 * A cache holds few statements, and those that run often are in front: comparing length and bytes
 * in order beats hashing the text.
 */
#include "core/sql/sql_stmt.h"

#include <stdlib.h>

#include "core/sql/sql_time.h"

#define ROWS_MAX_DEFAULT  10000
#define BYTES_MAX_DEFAULT (8u << 20)
#define CHARSET_BINARY    63 /* of a column without a character set: BLOB, BINARY, BIT */

/* --- cache --- */

struct sql_stmt *sql_stmt_find(struct sql_conn *conn, struct str text)
{
    struct list *pos;
    struct list *tmp;
    LIST_FOR_EACH(pos, tmp, &conn->stmts)
    {
        struct sql_stmt *stmt = CONTAINER_OF(pos, struct sql_stmt, link);
        if (str_equal(text, (struct str){stmt->text, stmt->text_len})) {
            list_unlink(&stmt->link);
            list_push_front(&conn->stmts, &stmt->link);
            return stmt;
        }
    }
    return NULL;
}

struct sql_stmt *sql_stmt_add(struct sql_conn *conn, struct str text)
{
    struct sql_stmt *stmt = malloc(sizeof(*stmt) + text.len);
    if (stmt == NULL) {
        return NULL;
    }
    *stmt = (struct sql_stmt){.handle = mysql_stmt_init(conn->mysql), .text_len = text.len};
    if (stmt->handle == NULL) {
        free(stmt);
        return NULL;
    }
    (void)str_put(stmt->text, text);
    list_push_front(&conn->stmts, &stmt->link);
    conn->stmt_count++;
    return stmt;
}

struct sql_stmt *sql_stmt_take_oldest(struct sql_conn *conn)
{
    struct sql_stmt *stmt = CONTAINER_OF(conn->stmts.prev, struct sql_stmt, link);
    list_unlink(&stmt->link);
    conn->stmt_count--;
    return stmt;
}

void sql_stmt_free(struct sql_stmt *stmt)
{
    if (stmt->handle != NULL) {
        (void)mysql_stmt_close(stmt->handle); /* sends nothing to the server: see the header */
    }
    free(stmt->cells);
    free(stmt);
}

static void free_params(struct sql_params *params)
{
    free(params->binds);
    free(params->times);
    *params = (struct sql_params){0};
}

void sql_stmt_free_all(struct sql_conn *conn)
{
    while (!list_is_empty(&conn->stmts)) {
        sql_stmt_free(sql_stmt_take_oldest(conn));
    }
    free_params(&conn->params);
}

/* --- parameters --- */

static void bind_str(const struct sql_value *value, enum enum_field_types type, MYSQL_BIND *bind)
{
    bind->buffer_type = type;
    bind->buffer = (void *)(uintptr_t)value->str.ptr; /* the library only reads it */
    bind->buffer_length = value->str.len;
    if (value->str.ptr == NULL) {
        bind->buffer = bind; /* an empty view may hold NULL, which would mean the value NULL */
    }
}

/* bind_param fills in one parameter; `time` is room for it if it is a date. */
static bool bind_param(const struct sql_value *value, MYSQL_BIND *bind, MYSQL_TIME *time)
{
    *bind = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_NULL};
    switch (value->type) {
    case SQL_NULL:
        break;
    case SQL_I64:
    case SQL_U64:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = (void *)(uintptr_t)&value->i64;
        bind->is_unsigned = value->type == SQL_U64;
        break;
    case SQL_F64:
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        bind->buffer = (void *)(uintptr_t)&value->f64;
        break;
    case SQL_TEXT:
        bind_str(value, MYSQL_TYPE_STRING, bind);
        break;
    case SQL_BLOB:
        bind_str(value, MYSQL_TYPE_BLOB, bind);
        break;
    case SQL_DATETIME:
        bind->buffer_type = MYSQL_TYPE_DATETIME;
        bind->buffer = time;
        return sql_time_from_us(value->us, time);
    }
    return true;
}

/* make_room changes nothing when memory is missing. */
static int make_room(struct sql_params *params, size_t count)
{
    if (count <= params->cap) {
        return 0;
    }
    const struct sql_params grown = {
        .binds = calloc(count, sizeof(*grown.binds)),
        .times = calloc(count, sizeof(*grown.times)),
        .cap = count,
    };
    if (grown.binds == NULL || grown.times == NULL) {
        free(grown.binds);
        free(grown.times);
        return UV_ENOMEM;
    }
    free_params(params);
    *params = grown;
    return 0;
}

int sql_stmt_bind_params(struct sql_conn *conn)
{
    const struct sql_query *query = conn->query;
    struct sql_params *params = &conn->params;
    MYSQL_STMT *handle = conn->stmt->handle;
    if (mysql_stmt_param_count(handle) != query->param_count) {
        return UV_EINVAL;
    }
    const int rc = make_room(params, query->param_count);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < query->param_count; i++) {
        if (!bind_param(&query->params[i], &params->binds[i], &params->times[i])) {
            return UV_EINVAL;
        }
    }
    if (query->param_count > 0 && mysql_stmt_bind_param(handle, params->binds) != 0) {
        return UV_EINVAL;
    }
    return 0;
}

/* --- rows --- */

static bool is_text_type(enum enum_field_types type)
{
    switch (type) {
    case MYSQL_TYPE_BIT:
    case MYSQL_TYPE_ENUM:
    case MYSQL_TYPE_SET:
    case MYSQL_TYPE_TINY_BLOB:
    case MYSQL_TYPE_MEDIUM_BLOB:
    case MYSQL_TYPE_LONG_BLOB:
    case MYSQL_TYPE_BLOB:
    case MYSQL_TYPE_VARCHAR:
    case MYSQL_TYPE_VAR_STRING:
    case MYSQL_TYPE_STRING:
    case MYSQL_TYPE_GEOMETRY:
        return true;
    default:
        return false;
    }
}

/* type_of is the type of a column's values. */
static enum sql_type type_of(const MYSQL_FIELD *field)
{
    switch (field->type) {
    case MYSQL_TYPE_NULL:
        return SQL_NULL;
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        return (field->flags & UNSIGNED_FLAG) != 0 ? SQL_U64 : SQL_I64;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
        return SQL_F64;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
        return SQL_DATETIME;
    default:
        /* DECIMAL and TIME, which become text, have the binary character set, too */
        return is_text_type(field->type) && field->charsetnr == CHARSET_BINARY ? SQL_BLOB
                                                                               : SQL_TEXT;
    }
}

static void bind_cell(const MYSQL_FIELD *field, struct sql_cell *cell, MYSQL_BIND *bind)
{
    *bind = (MYSQL_BIND){
        .buffer_type = MYSQL_TYPE_STRING, /* without room: for the length alone */
        .length = &cell->len,
        .is_null = &cell->is_null,
    };
    switch (cell->type) {
    case SQL_I64:
    case SQL_U64:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = &cell->i64;
        bind->is_unsigned = cell->type == SQL_U64;
        break;
    case SQL_F64:
        bind->buffer_type = MYSQL_TYPE_DOUBLE;
        bind->buffer = &cell->f64;
        break;
    case SQL_DATETIME:
        bind->buffer_type = MYSQL_TYPE_DATETIME;
        bind->buffer = &cell->time;
        break;
    case SQL_BLOB:
        bind->buffer_type = field->type == MYSQL_TYPE_BIT ? MYSQL_TYPE_BIT : MYSQL_TYPE_BLOB;
        break;
    default:
        break;
    }
}

static int make_cells(struct sql_stmt *stmt, size_t count)
{
    if (stmt->cells != NULL && stmt->cell_count == count) {
        return 0;
    }
    struct sql_cell *cells = calloc(count, sizeof(*cells));
    if (cells == NULL) {
        return UV_ENOMEM;
    }
    free(stmt->cells);
    stmt->cells = cells;
    stmt->cell_count = count;
    return 0;
}

/* Called for each execution: a column's type may have changed since the last one. */
int sql_stmt_bind_row(struct sql_stmt *stmt)
{
    const size_t count = mysql_stmt_field_count(stmt->handle);
    const int rc = make_cells(stmt, count);
    if (rc < 0) {
        return rc;
    }
    MYSQL_RES *columns = mysql_stmt_result_metadata(stmt->handle);
    MYSQL_BIND *binds = malloc(count * sizeof(*binds)); /* bind_cell sets the whole of each */
    const bool has_memory = columns != NULL && binds != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        const MYSQL_FIELD *field = mysql_fetch_field_direct(columns, (unsigned)i);
        stmt->cells[i].type = type_of(field);
        bind_cell(field, &stmt->cells[i], &binds[i]);
    }
    const bool is_bound = has_memory && mysql_stmt_bind_result(stmt->handle, binds) == 0;
    free(binds);
    mysql_free_result(columns);
    return is_bound ? 0 : UV_ENOMEM;
}

/* fetch_str copies a text's bytes behind the row. */
static int fetch_str(struct sql_stmt *stmt, size_t column, struct sql_query *query,
                     struct sql_value *value)
{
    const size_t len = stmt->cells[column].len;
    const size_t max_bytes = query->max_bytes == 0 ? BYTES_MAX_DEFAULT : query->max_bytes;
    if (len >= max_bytes - query->used_bytes) {
        return UV_EMSGSIZE;
    }
    query->used_bytes += len + 1;
    char *bytes = arena_alloc(query->arena, len + 1);
    if (bytes == NULL) {
        return UV_ENOMEM;
    }
    MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_BLOB, .buffer = bytes, .buffer_length = len};
    if (len > 0 && mysql_stmt_fetch_column(stmt->handle, &bind, (unsigned)column, 0) != 0) {
        return UV_EPROTO;
    }
    bytes[len] = '\0';
    value->str = (struct str){bytes, len};
    return 0;
}

static int fetch_value(struct sql_stmt *stmt, size_t column, struct sql_query *query,
                       struct sql_value *value)
{
    const struct sql_cell *cell = &stmt->cells[column];
    value->type = cell->is_null ? SQL_NULL : cell->type;
    switch (value->type) {
    case SQL_NULL:
        return 0;
    case SQL_I64:
    case SQL_U64:
        value->i64 = cell->i64;
        return 0;
    case SQL_F64:
        value->f64 = cell->f64;
        return 0;
    case SQL_DATETIME:
        if (!sql_time_to_us(&cell->time, &value->us)) {
            value->type = SQL_NULL;
        }
        return 0;
    case SQL_TEXT:
    case SQL_BLOB:
        break;
    }
    return fetch_str(stmt, column, query, value);
}

int sql_stmt_add_row(struct sql_stmt *stmt, struct sql_query *query)
{
    const size_t max_rows = query->max_rows == 0 ? ROWS_MAX_DEFAULT : query->max_rows;
    const size_t max_bytes = query->max_bytes == 0 ? BYTES_MAX_DEFAULT : query->max_bytes;
    const size_t row_bytes = sizeof(struct sql_row) + stmt->cell_count * sizeof(struct sql_value);
    if (query->result.row_count == max_rows || row_bytes >= max_bytes - query->used_bytes) {
        return UV_EMSGSIZE;
    }
    if (query->arena == NULL) {
        query->result.row_count++;
        return 0;
    }
    query->used_bytes += row_bytes;
    struct sql_row *row = arena_alloc(query->arena, row_bytes);
    if (row == NULL) {
        return UV_ENOMEM;
    }
    row->next = NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < stmt->cell_count; i++) {
        rc = fetch_value(stmt, i, query, &row->values[i]);
    }
    if (rc < 0) {
        return rc;
    }
    *query->row_end = row;
    query->row_end = &row->next;
    query->result.row_count++;
    return 0;
}
