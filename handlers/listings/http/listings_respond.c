/* SPDX-License-Identifier: MIT
 *
 * listings_respond.c - statuses, fields, and the checks that several verbs make.
 */
#include "handlers/listings/http/listings_respond.h"

#include "core/http/parameter.h"
#include "core/http/router.h"
#include "core/telemetry/log_limit.h"

#define RETRY_AFTER_S 1 /* as often as the clients try to reach their servers again */

void listings_respond_status(struct http_request *req, int status)
{
    static const struct {
        int status;
        struct problem problem;
    } rows[] = {
        {UV_ENOENT, {404, .detail = "no such listing"}},
        {UV_EAGAIN, {412, .detail = "the listing has another version"}},
        {UV_ENOTCONN, {503, .detail = "the database is away", .retry_after_s = RETRY_AFTER_S}},
        {UV_ECONNRESET, {503, .detail = "the database went away", .retry_after_s = RETRY_AFTER_S}},
        {UV_ETIMEDOUT, {503, .detail = "the database is slow", .retry_after_s = RETRY_AFTER_S}},
        {UV_ECONNABORTED, {503, .detail = "the database is busy", .retry_after_s = RETRY_AFTER_S}},
        {UV_EBUSY, {503, .detail = "the database is busy", .retry_after_s = RETRY_AFTER_S}},
        {UV_EROFS, {503, .detail = "the database takes no writes", .retry_after_s = RETRY_AFTER_S}},
        {UV_ECANCELED, {503, .detail = "shutting down", .retry_after_s = RETRY_AFTER_S}},
        {UV_ENOMEM, {503, .detail = "out of memory", .retry_after_s = RETRY_AFTER_S}},
    };
    static const struct problem other = {500, .detail = "the database refuses"};
    const struct problem *problem = &other;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        problem = rows[i].status == status ? &rows[i].problem : problem;
    }
    if (problem == &other) {
        LOG_LIMITED(LOG_ERROR, "listings", "request failed", log_cstr("route", req->route->path),
                    log_cstr("error", uv_err_name(status)));
    }
    problem_respond(req, problem);
}

void listings_respond_problem(struct http_request *req, int status, const char *detail)
{
    const struct problem problem = {.status = status, .detail = detail};
    problem_respond(req, &problem);
}

void listings_respond(struct http_request *req, const struct listings_answer *answer)
{
    char tag[ETAG_BYTES];
    struct http_header headers[4];
    size_t count = 0;
    headers[count++] = (struct http_header){STR("ETag"), etag_format(answer->version, tag)};
    headers[count++] = (struct http_header){STR("Cache-Control"), STR("no-cache")};
    if (answer->location.ptr != NULL) {
        headers[count++] = (struct http_header){STR("Location"), answer->location};
    }
    if (answer->is_replayed) {
        headers[count++] = (struct http_header){STR("Idempotency-Replayed"), STR("true")};
    }
    const struct http_response response = {
        .status = answer->status,
        .content_type = answer->json.ptr == NULL ? NULL : "application/json",
        .body = answer->json,
        .headers = headers,
        .header_count = count,
    };
    http_respond(req, &response);
}

/* --- checks --- */

bool listings_has_id(struct http_request *req)
{
    if (listings_id_is_valid(req->params[0])) {
        return true;
    }
    listings_respond_status(req, UV_ENOENT);
    return false;
}

bool listings_has_conditions(struct http_request *req, struct etag_conditions *ret_conditions)
{
    const char *wrong = NULL;
    if (etag_conditions_read(req, ret_conditions, &wrong) < 0) {
        listings_respond_status(req, UV_ENOMEM);
        return false;
    }
    if (wrong != NULL) {
        listings_respond_problem(req, 400, wrong);
    }
    return wrong == NULL;
}

/* is_json tells whether a Content-Type is JSON in UTF-8; a merge patch has a type of its own. */
static bool is_json(struct str type, enum listing_mode mode)
{
    return parameter_is_type(type, STR("application/json")) ||
           (mode == LISTING_PATCH && parameter_is_type(type, STR("application/merge-patch+json")));
}

/* check_encoding tells whether a body came as it is: Content-Encoding is a list, of which
 * "identity" changes nothing.
 *
 * Returns: 0 it did; UV_EINVAL it is encoded; UV_ENOMEM. */
static int check_encoding(struct http_request *req)
{
    struct str codings;
    struct str coding;
    int rc = http_header_join(req, STR("content-encoding"), &codings);
    while (rc == 0 && parameter_next_part(&codings, ',', &coding)) {
        rc = coding.len == 0 || str_equal_nocase(coding, STR("identity")) ? 0 : UV_EINVAL;
    }
    return rc;
}

bool listings_has_json(struct http_request *req, enum listing_mode mode)
{
    static const struct http_header accepted = {STR("Accept-Encoding"), STR("identity")};
    static const struct problem encoded = {
        .status = 415, .detail = "the body must not be encoded", .header = &accepted};
    if (!is_json(http_header_get(req, STR("content-type")), mode)) {
        listings_respond_problem(req, 415,
                                 mode == LISTING_PATCH
                                     ? "the body must be application/merge-patch+json"
                                     : "the body must be application/json");
        return false;
    }
    const int rc = check_encoding(req);
    if (rc == UV_ENOMEM) {
        listings_respond_status(req, UV_ENOMEM);
    } else if (rc < 0) {
        problem_respond(req, &encoded);
    }
    return rc == 0;
}

bool listings_read_body(struct http_request *req, enum listing_mode mode, struct listing *listing)
{
    struct listing_errors errors;
    if (!listings_has_json(req, mode)) {
        return false;
    }
    if (listing_from_json(&req->arena, req->body, mode, listing, &errors)) {
        return true;
    }
    if (errors.count == 0) {
        listings_respond_status(req, UV_ENOMEM);
        return false;
    }
    const struct problem problem = {
        .status = errors.is_malformed ? 400 : 422,
        .detail = errors.is_malformed ? "the body is no JSON object" : "the listing is not valid",
        .errors = errors.list,
        .error_count = errors.count,
    };
    problem_respond(req, &problem);
    return false;
}
