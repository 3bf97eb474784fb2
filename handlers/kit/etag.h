/* SPDX-License-Identifier: MIT
 *
 * etag.h - entity tags made of versions, and the conditions of a request that compare them,
 * whatever its method.
 *
 * Source: RFC 9110 8.8.3, 13.1.1 (If-Match, compared strongly), 13.1.2 (If-None-Match, weakly),
 * 13.2.2 (precedence).
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_KIT_ETAG_H
#define TOQ_HANDLERS_KIT_ETAG_H

#include "core/http/http.h"

#define ETAG_BYTES 22 /* 20 digits and the quotes */

enum etag_match {
    ETAG_NONE,   /* no tag is that of the version */
    ETAG_SOME,   /* one is, or the field is "*" */
    ETAG_BROKEN, /* the field is no list of tags */
};

/* What a request makes its answer depend on. Each field joined; ptr NULL when there is none. */
struct etag_conditions {
    struct str if_match;
    struct str if_none_match;
};

enum etag_verdict {
    ETAG_GO_ON,
    ETAG_NOT_MODIFIED, /* 304: GET and HEAD alone */
    ETAG_FAILED,       /* 412 */
};

/* etag_format writes the tag of a version.
 *
 * out: ETAG_BYTES.
 * Returns: a view of it.
 */
struct str etag_format(uint64_t version, char *out);

/* etag_compare looks for a version in the value of a field.
 *
 * is_weak: W/"3" is as good as "3".
 */
enum etag_match etag_compare(struct str field, uint64_t version, bool is_weak);

/* etag_conditions_read takes the conditions of a request.
 *
 * ret_wrong: NULL; or what is wrong with a field, a literal, which is a 400.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int etag_conditions_read(struct http_request *req, struct etag_conditions *ret_conditions,
                                  const char **ret_wrong);

/* etag_conditions_judge holds the conditions against what is there.
 *
 * is_read: the method is GET or HEAD.
 */
enum etag_verdict etag_conditions_judge(const struct etag_conditions *conditions, uint64_t version,
                                        bool is_read);

/* etag_is_one tells whether a field holds the strong tag of one version and nothing else.
 *
 * Returns: true with *ret_version set; false.
 */
MUST_USE bool etag_is_one(struct str field, uint64_t *ret_version);

#endif
