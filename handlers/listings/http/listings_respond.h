/* SPDX-License-Identifier: MIT
 *
 * listings_respond.h - what the listings' handlers have in common: checks that may answer, and
 * answers.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_HTTP_LISTINGS_RESPOND_H
#define TOQ_HANDLERS_LISTINGS_HTTP_LISTINGS_RESPOND_H

#include "core/http/problem.h"
#include "handlers/kit/etag.h"
#include "handlers/listings/http/listings_http.h"

/* What a listing is answered with. */
struct listings_answer {
    int status;
    struct str json;
    uint64_t version;
    struct str location; /* ptr NULL: none */
    bool is_replayed;    /* it is the answer to an earlier request with the same key */
};

/* listings_respond_status ends the request with the problem that a status of the store or the cache
 * is. */
void listings_respond_status(struct http_request *req, int status);

/* listings_respond_problem ends the request with a problem that has no more to it than a
 * sentence. */
void listings_respond_problem(struct http_request *req, int status, const char *detail);

/* listings_respond ends the request with a listing and its tag. */
void listings_respond(struct http_request *req, const struct listings_answer *answer);

/* listings_has_id checks the path's id, and ends the request with 404 when there can be none such.
 *
 * Returns: true when the handler may go on; false when the request has ended.
 */
MUST_USE bool listings_has_id(struct http_request *req);

/* listings_has_conditions reads the conditions, and ends the request with 400 when one is broken,
 * or 503.
 *
 * Returns: as listings_has_id; true with *ret_conditions set, of which none may be there.
 */
MUST_USE bool listings_has_conditions(struct http_request *req,
                                      struct etag_conditions *ret_conditions);

/* listings_has_json checks the body's type and encoding, and ends the request with 415 when it is
 * no JSON as it is.
 *
 * Returns: as listings_has_id.
 */
MUST_USE bool listings_has_json(struct http_request *req, enum listing_mode mode);

/* listings_read_body reads the body as listing_from_json does, and ends the request with 400, 415,
 * 422 or 503 when it is not what was wanted.
 *
 * Returns: as listings_has_id.
 */
MUST_USE bool listings_read_body(struct http_request *req, enum listing_mode mode,
                                 struct listing *listing);

#endif
