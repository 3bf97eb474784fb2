/* SPDX-License-Identifier: MIT
 *
 * listings_http_write.c - PUT, PATCH, DELETE: writes over one version of a listing.
 *
 * Flow:    conditions -> [body] -> listings_change -> 200 or 204
 */
#include "handlers/kit/etag.h"
#include "handlers/kit/tokens.h"
#include "handlers/listings/http/listings_respond.h"
#include "handlers/listings/work/listings_change.h"

/* One write, in the request's arena. */
struct writing {
    struct http_request *req;
    struct listings_change change;
    struct etag_conditions conditions;
};

static void on_cancel(struct http_request *req, int status)
{
    struct writing *writing = req->user;
    listings_change_cancel(&writing->change);
    listings_respond_status(req, status);
}

static void on_done(struct listings_change *change, int status)
{
    struct http_request *req = change->arg;
    const struct http_response no_content = {.status = 204};
    const struct listings_answer answer = {
        .status = 200,
        .json = change->write.json,
        .version = change->write.op.listing.version,
    };
    if (status < 0) {
        listings_respond_status(req, status);
    } else if (change->verb == LISTINGS_REMOVE) {
        http_respond(req, &no_content);
    } else {
        listings_respond(req, &answer);
    }
}

static bool is_matched(const struct listings_change *change, uint64_t version)
{
    const struct writing *writing =
        (const struct writing *)((const char *)change - offsetof(struct writing, change));
    return etag_conditions_judge(&writing->conditions, version, false) == ETAG_GO_ON;
}

static bool merge(struct listings_change *change, struct listing *listing)
{
    return listings_read_body(change->arg, LISTING_PATCH, listing);
}

/* --- the beginning --- */

/* has_condition finds the conditions, and ends the request with 428 or 400 when If-Match is missing
 * or one is broken. A listing may be deleted whatever its version. */
static bool has_condition(struct writing *writing)
{
    struct http_request *req = writing->req;
    struct listings_change *change = &writing->change;
    const struct etag_conditions *conditions = &writing->conditions;
    if (!listings_has_conditions(req, &writing->conditions)) {
        return false;
    }
    if (conditions->if_match.ptr == NULL && change->verb != LISTINGS_REMOVE) {
        listings_respond_problem(req, 428, "If-Match must name the version, as ETag has it");
        return false;
    }
    change->is_exact =
        conditions->if_none_match.ptr == NULL &&
        (conditions->if_match.ptr == NULL || etag_is_one(conditions->if_match, &change->version));
    return true;
}

static void begin(struct http_request *req, struct listings *listings, enum listings_verb verb)
{
    struct str token;
    if (!tokens_may_write(&listings->tokens, req, &token) || !listings_has_id(req)) {
        return;
    }
    struct writing *writing = arena_alloc(&req->arena, sizeof(*writing));
    if (writing == NULL) {
        listings_respond_status(req, UV_ENOMEM);
        return;
    }
    *writing = (struct writing){.req = req};
    struct listings_change *change = &writing->change;
    *change = (struct listings_change){
        .listings = listings,
        .arena = &req->arena,
        .task = &req->task,
        .id = req->params[0],
        .verb = verb,
        .accepts = is_matched,
        .merge = merge,
        .on_done = on_done,
        .arg = req,
    };
    req->user = writing;
    if (!has_condition(writing) ||
        (verb == LISTINGS_REPLACE && !listings_read_body(req, LISTING_WHOLE, &change->wanted)) ||
        (verb == LISTINGS_MERGE && !listings_has_json(req, LISTING_PATCH))) {
        return;
    }
    http_on_cancel(req, on_cancel);
    const int status = listings_change_start(change);
    if (status < 0) {
        listings_respond_status(req, status);
    }
}

void listings_handle_put(struct http_request *req, void *listings)
{
    begin(req, listings, LISTINGS_REPLACE);
}

void listings_handle_patch(struct http_request *req, void *listings)
{
    begin(req, listings, LISTINGS_MERGE);
}

void listings_handle_delete(struct http_request *req, void *listings)
{
    begin(req, listings, LISTINGS_REMOVE);
}
