/* SPDX-License-Identifier: MIT
 *
 * listings_cursor.h - a position in a list as an opaque text for clients.
 *
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_LISTINGS_MODEL_LISTINGS_CURSOR_H
#define TOQ_HANDLERS_LISTINGS_MODEL_LISTINGS_CURSOR_H

#include "core/base/str.h"
#include "handlers/kit/uuid.h"

#define LISTINGS_CURSOR_LEN 46 /* base64url of 34 bytes, without padding */

struct listings_cursor {
    uint8_t sort; /* enum listings_sort */
    uint64_t key; /* the sort column of the last listing before the page */
    unsigned char id[UUID_BYTES];
    uint64_t check; /* over all of it and what the list was filtered by */
};

/* listings_cursor_encode writes a cursor.
 *
 * out: LISTINGS_CURSOR_LEN bytes, without a NUL.
 */
void listings_cursor_encode(const struct listings_cursor *cursor, char *out);

/* listings_cursor_decode reads exactly what listings_cursor_encode writes.
 *
 * Returns: true with *ret_cursor set, its check not looked at; false for anything else.
 */
MUST_USE bool listings_cursor_decode(struct str text, struct listings_cursor *ret_cursor);

#endif
