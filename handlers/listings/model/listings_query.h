/* SPDX-License-Identifier: MIT
 *
 * listings_query.h - what GET /v1/listings asks for: filters, order, a page, and the cursor that
 * leads on.
 *
 * Flow:    listings_query_init -> listings_query_set for each parameter -> listings_query_finish ->
 *          listings_store_list -> listings_query_cursor for the next page
 * Memory:  texts are borrowed from whoever decoded them, or lie in the arena that was given.
 * Thread:  any.
 */
#ifndef TOQ_HANDLERS_LISTINGS_MODEL_LISTINGS_QUERY_H
#define TOQ_HANDLERS_LISTINGS_MODEL_LISTINGS_QUERY_H

#include "handlers/listings/model/listing.h"

#define LISTINGS_LIMIT_DEFAULT 20
#define LISTINGS_LIMIT_MAX     100
#define LISTINGS_WORDS_MAX     8 /* of a title that is searched for */

enum listings_sort {
    LISTINGS_NEWEST, /* the default */
    LISTINGS_OLDEST,
    LISTINGS_PRICE_UP,
    LISTINGS_PRICE_DOWN,
    LISTINGS_AREA_UP,
    LISTINGS_AREA_DOWN,
    LISTINGS_SORT_COUNT
};

struct listings_sort_info {
    const char *name; /* as the parameter `sort` has it: "-created_at" */
    const char *column;
    bool is_descending;
    bool is_time;             /* the column's values are microseconds since 1970 */
    enum listing_field field; /* of a column that is none */
};

struct listings_query {
    struct str city; /* ptr NULL: any; so for the next three */
    struct str state;
    struct str kind;
    struct str purpose;
    struct str status;       /* ptr NULL: published */
    struct str title;        /* words that the title must hold; ptr NULL: any */
    int64_t min_price_cents; /* -1: none; so for the rest */
    int64_t max_price_cents;
    int64_t min_area_m2;
    int64_t max_area_m2;
    int64_t min_bedrooms;
    enum listings_sort sort;
    size_t limit;
    bool wants_total;
    bool has_cursor;    /* the page behind (cursor_key, cursor_id) in the order of `sort` */
    int64_t cursor_key; /* of the sort column: microseconds, cents or m2 */
    struct str cursor_id;

    /* private */
    enum listings_sort cursor_sort;
    uint64_t cursor_check;
    unsigned given; /* bit per parameter */
};

/* listings_sort_info describes an order. */
const struct listings_sort_info *listings_sort_info(enum listings_sort sort);

/* listings_query_init asks for the first page of everything that is published. */
void listings_query_init(struct listings_query *query);

/* listings_query_set takes one parameter of a query string, decoded.
 *
 * value: a text is borrowed as long as the query lives.
 * Returns: NULL; else what is wrong with it, a literal. An unknown name and one that was given
 *          before are errors.
 */
const char *listings_query_set(struct arena *arena, struct listings_query *query, struct str name,
                               struct str value);

/* listings_query_finish checks, behind the last parameter, that the cursor is whole and belongs to
 * these filters and this order.
 *
 * Returns: NULL; else what is wrong with the parameter `cursor`, a literal.
 */
const char *listings_query_finish(const struct listings_query *query);

/* listings_query_cursor makes the opaque cursor of the page behind `last`, for the same filters and
 * order.
 *
 * Returns: true with *ret_cursor set, in the arena; false when memory is missing, or the id of
 *          `last` is no UUID.
 */
MUST_USE bool listings_query_cursor(struct arena *arena, const struct listings_query *query,
                                    const struct listing *last, struct str *ret_cursor);

#endif
