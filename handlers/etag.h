/* SPDX-License-Identifier: MIT
 *
 * etag.h - entity tags made of versions, and the fields that compare them.
 *
 * Source: RFC 9110 8.8.3, 13.1.1 (If-Match, compared strongly), 13.1.2 (If-None-Match, weakly).
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_ETAG_H
#define TOQ_HANDLERS_ETAG_H

#include "core/base/str.h"

#define ETAG_BYTES 22 /* 20 digits and the quotes */

enum etag_match {
    ETAG_NONE,   /* no tag is that of the version */
    ETAG_SOME,   /* one is, or the field is "*" */
    ETAG_BROKEN, /* the field is no list of tags */
};

/* etag_format writes the tag of a version.
 *
 * out: ETAG_BYTES. Returns: a view of it.
 */
struct str etag_format(uint64_t version, char *out);

/* etag_compare looks for a version in the value of a field.
 *
 * is_weak: W/"3" is as good as "3".
 */
enum etag_match etag_compare(struct str field, uint64_t version, bool is_weak);

/* etag_is_one tells whether a field holds the strong tag of one version and nothing else.
 *
 * Returns: true with *ret_version set; false.
 */
MUST_USE bool etag_is_one(struct str field, uint64_t *ret_version);

#endif
