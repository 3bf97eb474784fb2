/* SPDX-License-Identifier: MIT
 *
 * listings_many.c - statements for many rows.
 *
 * Statements stay prepared, so there are few: an INSERT has as many rows as a power of two; a
 * SELECT names as many ids as one, and where there are fewer, the last of them again.
 */
#include "handlers/listings/store/listings_many.h"

#include "core/base/clock.h"
#include "handlers/listings/store/listings_sql.h"

#define ROWS_MAX        64 /* of an INSERT */
#define INSERT_BYTES    8192
#define PARAMS_IN_BATCH (ROWS_MAX * LISTINGS_INSERT_PARAMS)

#define IDS_1  "?"
#define IDS_2  IDS_1 "," IDS_1
#define IDS_4  IDS_2 "," IDS_2
#define IDS_8  IDS_4 "," IDS_4
#define IDS_16 IDS_8 "," IDS_8
#define IDS_32 IDS_16 "," IDS_16
#define IDS_64 IDS_32 "," IDS_32

#define SELECT(columns, ids) "SELECT " columns " FROM listings WHERE id IN (" ids ")"
#define SELECTS(columns)                                                                           \
    SELECT(columns, IDS_1), SELECT(columns, IDS_2), SELECT(columns, IDS_4),                        \
        SELECT(columns, IDS_8), SELECT(columns, IDS_16), SELECT(columns, IDS_32),                  \
        SELECT(columns, IDS_64)

_Static_assert(PARAMS_IN_BATCH <= SQL_PARAMS_MAX, "an INSERT's parameters");
_Static_assert(LISTINGS_LOOKUP_MAX == 64, "SELECTS has as many");

/* --- new ones --- */

static void store_more(struct listings_batch *batch);

/* bytes_of is what so many of the next rows take in a packet. */
static size_t bytes_of(const struct listings_batch *batch, size_t rows)
{
    size_t bytes = SQL_PARAM_BYTES * (rows * LISTINGS_INSERT_PARAMS + 1) + INSERT_BYTES;
    for (size_t i = 0; i < rows; i++) {
        const struct listing *listing = &batch->list[batch->stored_count + i];
        bytes += listing->id.len;
        for (int f = 0; f < LISTING_FIELD_COUNT; f++) {
            bytes += listing->fields[f].text.len;
        }
    }
    return bytes;
}

/* rows_of_next is as many as are left and as fit into a packet; one is tried at any rate. */
static size_t rows_of_next(const struct listings_batch *batch)
{
    const size_t max_bytes = sql_packet_bytes(batch->tx.sql);
    size_t rows = ROWS_MAX;
    while (rows > batch->count - batch->stored_count ||
           (rows > 1 && bytes_of(batch, rows) > max_bytes)) {
        rows /= 2;
    }
    return rows;
}

static bool insert_text(struct arena *arena, size_t rows, struct str *ret_text)
{
    struct buf text;
    buf_init(&text, INSERT_BYTES);
    buf_append_cstr(&text, LISTINGS_INSERT_INTO);
    for (size_t i = 0; i < rows; i++) {
        buf_append_cstr(&text, i == 0 ? LISTINGS_INSERT_ROW : "," LISTINGS_INSERT_ROW);
    }
    const bool is_made = !text.is_failed && arena_copy(arena, buf_str(&text), ret_text);
    buf_deinit(&text);
    return is_made;
}

static void on_inserted(struct sql_query *query)
{
    struct listings_batch *batch = query->arg;
    if (query->result.status < 0) {
        sql_tx_rollback(&batch->tx, query->result.status);
        return;
    }
    batch->stored_count += batch->running_count;
    if (batch->stored_count == batch->count) {
        sql_tx_commit(&batch->tx);
    } else {
        store_more(batch);
    }
}

static void store_more(struct listings_batch *batch)
{
    const size_t rows = rows_of_next(batch);
    struct str text;
    if (!insert_text(batch->arena, rows, &text)) {
        sql_tx_rollback(&batch->tx, UV_ENOMEM);
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        listings_store_bind(&batch->list[batch->stored_count + i],
                            &batch->params[i * LISTINGS_INSERT_PARAMS]);
    }
    batch->running_count = rows;
    batch->query = (struct sql_query){
        .name = "listings.import",
        .text = text,
        .params = batch->params,
        .param_count = rows * LISTINGS_INSERT_PARAMS,
        .on_done = on_inserted,
        .arg = batch,
    };
    const int status = sql_tx_query(&batch->tx, &batch->query);
    if (status < 0) {
        sql_tx_rollback(&batch->tx, status);
    }
}

static void run_batch(struct sql_tx *tx)
{
    struct listings_batch *batch = tx->arg;
    batch->stored_count = 0;
    store_more(batch);
}

static void on_tx_done(struct sql_tx *tx)
{
    struct listings_batch *batch = tx->arg;
    batch->on_done(batch, tx->status);
}

int listings_batch_start(struct sql *sql, struct listings_batch *batch)
{
    const uint64_t now_us = clock_wall_ns() / NS_PER_US;
    for (size_t i = 0; i < batch->count; i++) {
        batch->list[i].version = 1;
        batch->list[i].created_us = now_us;
        batch->list[i].updated_us = now_us;
    }
    batch->params = arena_alloc(batch->arena, PARAMS_IN_BATCH * sizeof(*batch->params));
    if (batch->params == NULL) {
        return UV_ENOMEM;
    }
    batch->tx = (struct sql_tx){
        .run = run_batch,
        .on_done = on_tx_done,
        .timeout_ms = LISTINGS_BATCH_TIMEOUT_MS,
        .task = batch->task,
        .arg = batch,
    };
    return sql_tx_start(sql, &batch->tx);
}

void listings_batch_cancel(struct listings_batch *batch)
{
    sql_tx_cancel(&batch->tx);
}

/* --- those that there are --- */

static void read_row(const struct listings_lookup *lookup, const struct sql_row *row,
                     struct listing *listing)
{
    if (lookup->wants_versions) {
        *listing = (struct listing){.id = row->values[0].str, .version = row->values[1].u64};
    } else {
        listings_store_row(row, listing);
    }
}

static int read_rows(struct listings_lookup *lookup)
{
    const struct sql_result *result = &lookup->query.result;
    if (result->row_count == 0) {
        return 0;
    }
    lookup->list = arena_alloc(lookup->arena, result->row_count * sizeof(*lookup->list));
    if (lookup->list == NULL) {
        return UV_ENOMEM;
    }
    for (const struct sql_row *row = result->rows; row != NULL; row = row->next) {
        read_row(lookup, row, &lookup->list[lookup->count++]);
    }
    return 0;
}

static void on_looked_up(struct sql_query *query)
{
    struct listings_lookup *lookup = query->arg;
    int status = query->result.status;
    if (status == 0) {
        status = read_rows(lookup);
    }
    lookup->on_done(lookup, status);
}

static int look_up(struct sql *sql, struct listings_lookup *lookup, const char *const *texts,
                   const struct str *ids, size_t count)
{
    REQUIRE(count > 0 && count <= LISTINGS_LOOKUP_MAX);
    size_t named = 1; /* 2 to the power of `power` */
    size_t power = 0;
    while (named < count) {
        named *= 2;
        power++;
    }
    for (size_t i = 0; i < named; i++) {
        lookup->params[i] = sql_text(ids[i < count ? i : count - 1]);
    }
    lookup->list = NULL;
    lookup->count = 0;
    lookup->query = (struct sql_query){
        .name = lookup->wants_versions ? "listings.versions" : "listings.lookup",
        .text = str_from(texts[power]),
        .params = lookup->params,
        .param_count = named,
        .arena = lookup->arena,
        .is_read = true,
        .task = lookup->task,
        .on_done = on_looked_up,
        .arg = lookup,
    };
    return sql_query_start(sql, &lookup->query);
}

int listings_lookup_start(struct sql *sql, struct listings_lookup *lookup, const struct str *ids,
                          size_t count)
{
    static const char *const texts[] = {SELECTS(LISTINGS_COLUMNS)};
    lookup->wants_versions = false;
    return look_up(sql, lookup, texts, ids, count);
}

int listings_lookup_versions(struct sql *sql, struct listings_lookup *lookup, const struct str *ids,
                             size_t count)
{
    static const char *const texts[] = {SELECTS("id,version")};
    lookup->wants_versions = true;
    return look_up(sql, lookup, texts, ids, count);
}

void listings_lookup_cancel(struct listings_lookup *lookup)
{
    sql_query_cancel(&lookup->query);
}

const struct listing *listings_lookup_find(const struct listings_lookup *lookup, struct str id)
{
    for (size_t i = 0; i < lookup->count; i++) {
        if (str_equal(lookup->list[i].id, id)) {
            return &lookup->list[i];
        }
    }
    return NULL;
}
