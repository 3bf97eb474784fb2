/* SPDX-License-Identifier: MIT
 *
 * listings_page.h - a page of listings as text: its JSON, and the key that names what was asked
 * for.
 *
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_LISTINGS_MODEL_LISTINGS_PAGE_H
#define TOQ_HANDLERS_LISTINGS_MODEL_LISTINGS_PAGE_H

#include "handlers/listings/model/listings_query.h"

struct listings_page {
    struct listing *list;
    size_t count;
    bool has_more;
    bool has_total;
    uint64_t total;
};

/* listings_page_to_json appends {"items":[...],"next_cursor":...} and, when it was asked for,
 * "total".
 *
 * arena: for the cursor. When memory is missing, `out` is marked failed.
 */
void listings_page_to_json(struct arena *arena, const struct listings_query *query,
                           const struct listings_page *page, struct buf *out);

/* listings_page_key appends a text that two queries share only when they ask for the same. */
void listings_page_key(const struct listings_query *query, struct buf *out);

/* listings_page_copy copies a query with its texts.
 *
 * Returns: true with *ret_query set; false when memory is missing.
 */
MUST_USE bool listings_page_copy(struct arena *arena, const struct listings_query *query,
                                 struct listings_query *ret_query);

#endif
