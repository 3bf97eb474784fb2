/* SPDX-License-Identifier: MIT
 *
 * listings_sql.h - the statement of a list: text and parameters from what is asked for.
 *
 * Memory: the text and what the parameters point at lie in the arena, or are the query's.
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_SQL_H
#define TOQ_HANDLERS_LISTINGS_STORE_LISTINGS_SQL_H

#include "handlers/listings/store/listings_store.h"

/* The columns of a listing, in the order of enum listing_field. */
#define LISTINGS_FIELD_COLUMNS                                                                     \
    "title,description,kind,purpose,price_cents,currency,street,neighborhood,city,state,"          \
    "postal_code,bedrooms,bathrooms,area_m2,status"
#define LISTINGS_COLUMNS "id," LISTINGS_FIELD_COLUMNS ",version,created_at,updated_at"

/* The statement of a new listing: what each row adds, LISTINGS_INSERT_PARAMS parameters. */
#define LISTINGS_INSERT_INTO                                                                       \
    "INSERT INTO listings (id," LISTINGS_FIELD_COLUMNS ",created_at,updated_at,version) VALUES "
#define LISTINGS_INSERT_ROW "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,1)"

/* listings_sql_page makes the statement that reads one listing more than the page holds.
 *
 * params:  LISTINGS_PARAMS_MAX.
 * Returns: true with the outputs set; false when memory is missing.
 */
MUST_USE bool listings_sql_page(struct arena *arena, const struct listings_query *query,
                                struct sql_value *params, struct str *ret_text,
                                size_t *ret_param_count);

/* listings_sql_total makes the statement that counts the listings of all pages; otherwise as
 * listings_sql_page. */
MUST_USE bool listings_sql_total(struct arena *arena, const struct listings_query *query,
                                 struct sql_value *params, struct str *ret_text,
                                 size_t *ret_param_count);

#endif
