/* SPDX-License-Identifier: MIT
 *
 * listing_stored.h - listings read back from the JSON that listing_to_json and
 * listings_page_to_json write, which is how the cache hands them over.
 *
 * Strict: the members in their order and nothing between them. So it is no parser for what clients
 *         send.
 *
 * Memory: texts are views of the JSON, or, where it escapes them, lie in the arena.
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_LISTINGS_MODEL_LISTING_STORED_H
#define TOQ_HANDLERS_LISTINGS_MODEL_LISTING_STORED_H

#include "handlers/listings/model/listings_page.h"

/* listing_stored_one reads a listing.
 *
 * Returns: 0 with *ret_listing set; UV_EPROTO when it is not what we write; UV_ENOMEM.
 */
MUST_USE int listing_stored_one(struct arena *arena, struct str json, struct listing *ret_listing);

/* listing_stored_page reads a page.
 *
 * Returns: as listing_stored_one, with *ret_page and *ret_cursor set; the cursor is empty on the
 *          last page.
 */
MUST_USE int listing_stored_page(struct arena *arena, struct str json,
                                 struct listings_page *ret_page, struct str *ret_cursor);

#endif
