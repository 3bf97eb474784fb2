/* SPDX-License-Identifier: MIT
 *
 * listings_store.h - listings in MySQL: the one place with their SQL.
 *
 * Flow:    listings_store_get (or another verb) -> sql query -> on_done with the listing, the page
 *          or a status
 * Failure: reads run once more when their connection breaks, writes never do: after UV_ECONNRESET,
 *          UV_ETIMEDOUT and UV_ECANCELED nobody knows whether a write took place.
 * Memory:  an operation is the caller's memory until on_done runs or listings_store_cancel returns;
 *          what it points at lies in the arena that it names.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_STORE_H
#define TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_STORE_H

#include "core/sql/sql_migrate.h"
#include "handlers/listings/model/listings_page.h"

/* A list has the most: 5 filters by equality, 5 by range, the words, 3 for the cursor, the limit.
 * A new listing has its fields, the id and two times. */
#define LISTINGS_PARAMS_MAX (14 + LISTINGS_WORDS_MAX)

#define LISTINGS_INSERT_PARAMS (LISTING_FIELD_COUNT + 3)

struct listings_op;

/* A listings_done_fn gets the end of an operation, once; the operation is the caller's again.
 *
 * status: 0; UV_ENOENT no such listing; UV_EAGAIN the listing has another version than expected,
 *         the current one is in op->listing.version; else as sql_query_fn.
 */
typedef void (*listings_done_fn)(struct listings_op *op, int status);

struct listings_op {
    /* the caller's: set before the start, everything else zero */
    struct arena *arena;
    struct task *task; /* parked meanwhile; may be NULL */
    listings_done_fn on_done;
    void *arg;

    struct listing listing;    /* in: what to create or write; out: what is stored now */
    struct listings_page page; /* out: of a list */

    /* private */
    struct sql *sql;
    const char *name; /* of the statement that runs, for the log */
    struct sql_query query;
    const struct listings_query *asked;
    uint64_t expected_version;
    struct sql_value params[LISTINGS_PARAMS_MAX];
};

/* listings_store_get reads one listing.
 *
 * id: LISTING_ID_LEN, checked by the caller with listings_id_is_valid; borrowed until on_done.
 * Returns: 0: on_done runs once, later; else as sql_query_start, and on_done never runs.
 */
MUST_USE int listings_store_get(struct sql *sql, struct listings_op *op, struct str id);

/* listings_store_list reads a page.
 *
 * query: finished; borrowed until on_done.
 * Returns: as listings_store_get; UV_ENOMEM.
 */
MUST_USE int listings_store_list(struct sql *sql, struct listings_op *op,
                                 const struct listings_query *query);

/* listings_store_create stores op->listing, whose id is set, as a new listing with version 1;
 * on_done gets UV_EEXIST when the id is there already.
 *
 * Returns: as listings_store_get.
 */
MUST_USE int listings_store_create(struct sql *sql, struct listings_op *op);

/* listings_store_update writes op->listing's fields over the listing op->listing.id, if it still
 * has `expected_version`, which then grows by one. When op->listing.created_us is 0, it is read
 * first.
 *
 * Returns: as listings_store_get.
 */
MUST_USE int listings_store_update(struct sql *sql, struct listings_op *op,
                                   uint64_t expected_version);

/* listings_store_remove deletes the listing op->listing.id, if it still has `expected_version`; 0
 * takes any.
 *
 * Returns: as listings_store_get.
 */
MUST_USE int listings_store_remove(struct sql *sql, struct listings_op *op,
                                   uint64_t expected_version);

/* listings_store_cancel gives an operation up: on_done never runs. Harmless when it has ended. */
void listings_store_cancel(struct listings_op *op);

/* listings_store_bind makes parameters of a whole new listing: its id, its fields, its two times.
 *
 * params:  LISTINGS_INSERT_PARAMS. Texts are borrowed.
 */
void listings_store_bind(const struct listing *listing, struct sql_value *params);

/* listings_store_row reads a row of LISTINGS_COLUMNS; texts are the row's. */
void listings_store_row(const struct sql_row *row, struct listing *ret_listing);

/* listings_id_is_valid tells whether a text is a UUID in lower case. */
bool listings_id_is_valid(struct str id);

/* The steps that make the tables. */
extern const struct sql_schema listings_schema;

#endif
