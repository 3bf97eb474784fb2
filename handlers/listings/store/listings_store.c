/* SPDX-License-Identifier: MIT
 *
 * listings_store.c - one query after the other for each operation, and rows turned into listings.
 *
 * A write is one statement with its condition in it, so it needs no transaction. Only when it has
 * touched no row, another query finds out why.
 */
#include "handlers/listings/store/listings_store.h"

#include "core/base/clock.h"
#include "handlers/kit/uuid.h"
#include "handlers/listings/store/listings_sql.h"

#define TEXT_GET    "SELECT " LISTINGS_COLUMNS " FROM listings WHERE id=?"
#define TEXT_INSERT LISTINGS_INSERT_INTO LISTINGS_INSERT_ROW
#define TEXT_UPDATE                                                                                \
    "UPDATE listings SET title=?,description=?,kind=?,purpose=?,price_cents=?,currency=?,"         \
    "street=?,neighborhood=?,city=?,state=?,postal_code=?,bedrooms=?,bathrooms=?,area_m2=?,"       \
    "status=?,updated_at=?,version=version+1 WHERE id=? AND version=?"
#define TEXT_REMOVE         "DELETE FROM listings WHERE id=?"
#define TEXT_REMOVE_VERSION "DELETE FROM listings WHERE id=? AND version=?"
#define TEXT_VERSION        "SELECT version,created_at FROM listings WHERE id=?"

_Static_assert(LISTING_FIELD_COUNT == 15, "the statements above name each field");
_Static_assert(LISTINGS_PARAMS_MAX >= LISTING_FIELD_COUNT + 3, "those of INSERT and UPDATE");

bool listings_id_is_valid(struct str id)
{
    unsigned char bytes[UUID_BYTES];
    return uuid_parse(id, bytes);
}

/* --- rows --- */

static struct str text_of(const struct sql_value *value)
{
    return value->type == SQL_TEXT ? value->str : STR("");
}

/* number_of takes what is no number for 0: whoever changes the schema by hand gets no crash. */
static int64_t number_of(const struct sql_value *value)
{
    if (value->type == SQL_U64) {
        return (int64_t)value->u64;
    }
    return value->type == SQL_I64 ? value->i64 : 0;
}

static uint64_t time_of(const struct sql_value *value)
{
    return value->type == SQL_DATETIME && value->us > 0 ? (uint64_t)value->us : 0;
}

void listings_store_row(const struct sql_row *row, struct listing *ret_listing)
{
    const struct sql_value *value = row->values;
    ret_listing->id = text_of(value++);
    for (int f = 0; f < LISTING_FIELD_COUNT; f++, value++) {
        const bool is_number = listing_field_info((enum listing_field)f)->type == LISTING_NUMBER;
        ret_listing->fields[f].number = is_number ? number_of(value) : 0;
        ret_listing->fields[f].text = is_number ? STR("") : text_of(value);
    }
    ret_listing->version = (uint64_t)number_of(&value[0]);
    ret_listing->created_us = time_of(&value[1]);
    ret_listing->updated_us = time_of(&value[2]);
}

/* --- queries --- */

/* end is the last step of each operation; the caller may free it or start the next with it. */
static void end(struct listings_op *op, int status)
{
    op->on_done(op, status);
}

static int status_of(const struct listings_op *op)
{
    return op->query.result.status;
}

/* run_op starts a query with the first `param_count` of op->params. */
static int run_op(struct listings_op *op, struct str text, size_t param_count, bool is_read,
                  sql_query_fn on_done)
{
    op->query = (struct sql_query){
        .name = op->name,
        .text = text,
        .params = op->params,
        .param_count = param_count,
        .arena = op->arena,
        .is_read = is_read,
        .task = op->task,
        .on_done = on_done,
        .arg = op,
    };
    return sql_query_start(op->sql, &op->query);
}

static int run_read(struct listings_op *op, struct str text, size_t param_count,
                    sql_query_fn on_done)
{
    return run_op(op, text, param_count, true, on_done);
}

static int run_write(struct listings_op *op, struct str text, size_t param_count,
                     sql_query_fn on_done)
{
    return run_op(op, text, param_count, false, on_done);
}

/* bind_fields makes parameters of the fields, in the order of the columns. */
static size_t bind_fields(const struct listing *listing, struct sql_value *params)
{
    size_t count = 0;
    for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
        const struct listing_value *value = &listing->fields[f];
        const bool is_number = listing_field_info((enum listing_field)f)->type == LISTING_NUMBER;
        params[count++] = is_number ? sql_i64(value->number) : sql_text(value->text);
    }
    return count;
}

void listings_store_bind(const struct listing *listing, struct sql_value *params)
{
    params[0] = sql_text(listing->id);
    const size_t count = 1 + bind_fields(listing, &params[1]);
    params[count] = sql_datetime((int64_t)listing->created_us);
    params[count + 1] = sql_datetime((int64_t)listing->updated_us);
}

/* --- reading --- */

static void on_got(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    int status = status_of(op);
    if (status == 0 && query->result.row_count == 0) {
        status = UV_ENOENT;
    }
    if (status == 0) {
        listings_store_row(query->result.rows, &op->listing);
    }
    end(op, status);
}

int listings_store_get(struct sql *sql, struct listings_op *op, struct str id)
{
    op->sql = sql;
    op->name = "listings.get";
    op->params[0] = sql_text(id);
    return run_read(op, STR(TEXT_GET), 1, on_got);
}

static void on_counted(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    const int status = status_of(op);
    if (status == 0 && query->result.row_count == 1) {
        op->page.has_total = true;
        op->page.total = (uint64_t)number_of(&query->result.rows->values[0]);
    }
    end(op, status);
}

static int count_all(struct listings_op *op)
{
    struct str text;
    size_t param_count;
    if (!listings_sql_total(op->arena, op->asked, op->params, &text, &param_count)) {
        return UV_ENOMEM;
    }
    op->name = "listings.count";
    return run_read(op, text, param_count, on_counted);
}

/* read_page takes over the rows; the one behind the page only says that there is more. */
static int read_page(struct listings_op *op)
{
    const struct sql_result *result = &op->query.result;
    struct listings_page *page = &op->page;
    const size_t limit = op->asked->limit;
    page->has_more = result->row_count > limit;
    page->count = page->has_more ? limit : result->row_count;
    if (page->count == 0) {
        return 0;
    }
    page->list = arena_alloc(op->arena, page->count * sizeof(*page->list));
    if (page->list == NULL) {
        return UV_ENOMEM;
    }
    const struct sql_row *row = result->rows;
    for (size_t i = 0; i < page->count; i++, row = row->next) {
        listings_store_row(row, &page->list[i]);
    }
    return 0;
}

static void on_listed(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    int status = status_of(op);
    if (status == 0) {
        status = read_page(op);
    }
    if (status == 0 && op->asked->wants_total) {
        status = count_all(op);
        if (status == 0) {
            return;
        }
    }
    end(op, status);
}

int listings_store_list(struct sql *sql, struct listings_op *op, const struct listings_query *query)
{
    struct str text;
    size_t param_count;
    op->sql = sql;
    op->asked = query;
    op->page = (struct listings_page){0};
    if (!listings_sql_page(op->arena, query, op->params, &text, &param_count)) {
        return UV_ENOMEM;
    }
    op->name = "listings.list";
    return run_read(op, text, param_count, on_listed);
}

/* --- writing --- */

static uint64_t now_us(void)
{
    return clock_wall_ns() / NS_PER_US;
}

static void on_inserted(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    end(op, status_of(op));
}

int listings_store_create(struct sql *sql, struct listings_op *op)
{
    op->name = "listings.create";
    op->sql = sql;
    op->listing.version = 1;
    op->listing.created_us = now_us();
    op->listing.updated_us = op->listing.created_us;
    listings_store_bind(&op->listing, op->params);
    return run_write(op, STR(TEXT_INSERT), LISTINGS_INSERT_PARAMS, on_inserted);
}

/* read_version reads TEXT_VERSION's row.
 *
 * Returns: 0 when the listing has the version that the operation expects; UV_EAGAIN; UV_ENOENT.
 */
static int read_version(struct listings_op *op)
{
    const struct sql_result *result = &op->query.result;
    if (result->row_count == 0) {
        return UV_ENOENT;
    }
    op->listing.version = (uint64_t)number_of(&result->rows->values[0]);
    op->listing.created_us = time_of(&result->rows->values[1]);
    return op->listing.version == op->expected_version ? 0 : UV_EAGAIN;
}

/* on_explained ends a write that has touched no row. It may find the version that was expected, if
 * the listing was deleted and made again meanwhile: a conflict all the same. */
static void on_explained(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    int status = status_of(op);
    if (status == 0) {
        status = read_version(op);
        status = status == 0 ? UV_EAGAIN : status;
    }
    end(op, status);
}

static void explain(struct listings_op *op)
{
    op->name = "listings.version";
    op->params[0] = sql_text(op->listing.id);
    const int rc = run_read(op, STR(TEXT_VERSION), 1, on_explained);
    if (rc < 0) {
        end(op, rc);
    }
}

static void on_updated(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    const int status = status_of(op);
    if (status == 0 && query->result.affected_rows == 0) {
        explain(op);
        return;
    }
    if (status == 0) {
        op->listing.version = op->expected_version + 1;
    }
    end(op, status);
}

static int update(struct listings_op *op)
{
    op->name = "listings.update";
    op->listing.updated_us = now_us();
    size_t count = bind_fields(&op->listing, op->params);
    op->params[count++] = sql_datetime((int64_t)op->listing.updated_us);
    op->params[count++] = sql_text(op->listing.id);
    op->params[count++] = sql_u64(op->expected_version);
    return run_write(op, STR(TEXT_UPDATE), count, on_updated);
}

static void on_base_read(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    int status = status_of(op);
    if (status == 0) {
        status = read_version(op);
    }
    if (status == 0) {
        status = update(op);
        if (status == 0) {
            return;
        }
    }
    end(op, status);
}

int listings_store_update(struct sql *sql, struct listings_op *op, uint64_t expected_version)
{
    op->sql = sql;
    op->expected_version = expected_version;
    if (op->listing.created_us != 0) {
        return update(op);
    }
    /* before the write, not behind it: a read that failed then would leave a write without
     * answer */
    op->name = "listings.version";
    op->params[0] = sql_text(op->listing.id);
    return run_read(op, STR(TEXT_VERSION), 1, on_base_read);
}

static void on_removed(struct sql_query *query)
{
    struct listings_op *op = query->arg;
    int status = status_of(op);
    if (status == 0 && query->result.affected_rows == 0) {
        if (op->expected_version != 0) {
            explain(op);
            return;
        }
        status = UV_ENOENT;
    }
    end(op, status);
}

int listings_store_remove(struct sql *sql, struct listings_op *op, uint64_t expected_version)
{
    op->sql = sql;
    op->name = "listings.delete";
    op->expected_version = expected_version;
    op->params[0] = sql_text(op->listing.id);
    op->params[1] = sql_u64(expected_version);
    if (expected_version == 0) {
        return run_write(op, STR(TEXT_REMOVE), 1, on_removed);
    }
    return run_write(op, STR(TEXT_REMOVE_VERSION), 2, on_removed);
}

void listings_store_cancel(struct listings_op *op)
{
    sql_query_cancel(&op->query);
}
