/* SPDX-License-Identifier: MIT
 *
 * problem.h - answers errors as problem details.
 *
 * Source: RFC 9457.
 *
 * Thread: the loop.
 */
#ifndef TOQ_CORE_HTTP_PROBLEM_H
#define TOQ_CORE_HTTP_PROBLEM_H

#include "core/base/buf.h"
#include "core/base/field_error.h"
#include "core/http/http.h"

#define PROBLEM_MAX_BYTES 65536

struct problem {
    int status;
    const char *detail;               /* for people; NULL for none */
    const char *code;                 /* for programs, a word; NULL for none */
    const struct field_error *errors; /* what is wrong with which field */
    size_t error_count;
    unsigned retry_after_s;           /* sent as Retry-After; 0: not */
    const struct http_header *header; /* one more field; NULL for none */
};

/* problem_append appends the JSON of problem details, and a line end, to a body of
 * PROBLEM_MAX_BYTES. */
void problem_append(struct buf *body, struct http_request *req, const struct problem *problem);

/* problem_respond ends the request with application/problem+json. */
void problem_respond(struct http_request *req, const struct problem *problem);

#endif
