/* SPDX-License-Identifier: MIT
 *
 * listings_http.h - the listings over HTTP: what each route checks, does and answers.
 *
 * Flow:    auth -> id -> conditions -> body -> store or cache -> answer
 * Failure: problem details (RFC 9457). One table maps the errors of the layers below to statuses:
 *          listings_respond_status.
 * Memory:  all of a request's is in its arena. What it waits for is cancelled with it.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_HTTP_LISTINGS_HTTP_H
#define TOQ_HANDLERS_LISTINGS_HTTP_LISTINGS_HTTP_H

#include "core/http/http.h"
#include "handlers/listings/work/listings.h"

/* listings_handle_list answers GET /v1/listings: a page, by filters. */
void listings_handle_list(struct http_request *req, void *listings);

/* listings_handle_get answers GET /v1/listings/:id, with 304 when If-None-Match has its tag. */
void listings_handle_get(struct http_request *req, void *listings);

/* listings_handle_create answers POST /v1/listings; with an Idempotency-Key, once. */
void listings_handle_create(struct http_request *req, void *arg);

/* listings_handle_put answers PUT /v1/listings/:id, which must have If-Match. */
void listings_handle_put(struct http_request *req, void *listings);

/* listings_handle_patch answers PATCH /v1/listings/:id, a merge patch, which must have If-Match. */
void listings_handle_patch(struct http_request *req, void *listings);

/* listings_handle_delete answers DELETE /v1/listings/:id, which may have If-Match. */
void listings_handle_delete(struct http_request *req, void *listings);

#endif
