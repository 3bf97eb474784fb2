/* SPDX-License-Identifier: MIT
 *
 * listings_http_write.c - PUT, PATCH and DELETE, on the version that the client knows.
 *
 * When If-Match has one tag, PUT and DELETE take its version along and MySQL compares. For a patch,
 * several tags or "*" the listing is read from MySQL first, and then written if it is still the same;
 * when it is not, all of it is done once more.
 */
#include "handlers/etag.h"
#include "handlers/listings_respond.h"

#define TRIES_MAX 8 /* of one that any version will do for, against others who write at once */

enum verb { VERB_PUT, VERB_PATCH, VERB_DELETE };

/* One write, in the request's arena. */
struct change {
    struct http_request *req;
    struct listings *listings;
    enum verb verb;
    struct str if_match;
    struct listing wanted; /* PUT */
    struct listings_op load;
    struct listings_write write;
    unsigned tries;
    bool is_loading;
};

static void load(struct change *change);

static void on_cancel(struct http_request *req, int status)
{
    struct change *change = req->user;
    if (change->is_loading) {
        listings_store_cancel(&change->load);
    } else {
        listings_cache_cancel_write(&change->write);
    }
    listings_respond_status(req, status);
}

/* --- the end ------------------------------------------------------------------------------------- */

static void respond(const struct change *change)
{
    const struct http_response no_content = {.status = 204};
    const struct listings_answer answer = {
        .status = 200,
        .json = change->write.json,
        .version = change->write.op.listing.version,
    };
    if (change->verb == VERB_DELETE) {
        http_respond(change->req, &no_content);
    } else {
        listings_respond(change->req, &answer);
    }
}

static void on_written(struct listings_write *write, int status)
{
    struct change *change = CONTAINER_OF(write, struct change, write);
    uint64_t version;
    if (status == 0) {
        respond(change);
    } else if (status == UV_EAGAIN && !etag_is_one(change->if_match, &version)) {
        load(change); /* somebody was faster: what there is now may do, too */
    } else {
        listings_respond_status(change->req, status);
    }
}

/* write_over starts the write on `version`. */
static void write_over(struct change *change, uint64_t version)
{
    struct listings_cache *cache = &change->listings->cache;
    struct listings_write *write = &change->write;
    write->op.arena = &change->req->arena;
    write->op.task = &change->req->task;
    write->op.listing.id = change->req->params[0];
    write->on_done = on_written;
    const int status = change->verb == VERB_DELETE ? listings_cache_remove(cache, write, version)
                                                   : listings_cache_update(cache, write, version);
    if (status < 0) {
        listings_respond_status(change->req, status);
    } else {
        http_on_cancel(change->req, on_cancel);
    }
}

/* --- on what is stored now ----------------------------------------------------------------------- */

/* merge makes what is to be written of what is stored; false when the request has ended. */
static bool merge(struct change *change)
{
    const struct listing *stored = &change->load.listing;
    struct listing *listing = &change->write.op.listing;
    *listing = change->verb == VERB_PUT ? change->wanted : *stored;
    listing->created_us = stored->created_us;
    return change->verb != VERB_PATCH || listings_read_body(change->req, LISTING_PATCH, listing);
}

static void on_stored(struct listings_op *op, int status)
{
    struct change *change = CONTAINER_OF(op, struct change, load);
    change->is_loading = false;
    if (status < 0) {
        listings_respond_status(change->req, status);
    } else if (etag_compare(change->if_match, op->listing.version, false) != ETAG_SOME) {
        listings_respond_status(change->req, UV_EAGAIN);
    } else if (merge(change)) {
        write_over(change, op->listing.version);
    }
}

static void load(struct change *change)
{
    struct sql *sql = change->listings->cache.options.sql;
    change->load = (struct listings_op){
        .arena = &change->req->arena, .task = &change->req->task, .on_done = on_stored};
    int status = UV_EBUSY;
    if (change->tries++ < TRIES_MAX) {
        status = listings_store_get(sql, &change->load, change->req->params[0]);
    }
    if (status < 0) {
        listings_respond_status(change->req, status);
        return;
    }
    change->is_loading = true;
    http_on_cancel(change->req, on_cancel);
}

/* --- the beginning ------------------------------------------------------------------------------- */

/* has_condition finds If-Match, and ends the request with 428 or 400 when it is missing or broken. A
 * listing may be deleted whatever its version. */
static bool has_condition(struct change *change)
{
    change->if_match = http_header_get(change->req, STR("if-match"));
    if (change->if_match.ptr == NULL && change->verb == VERB_DELETE) {
        return true;
    }
    if (change->if_match.ptr == NULL) {
        listings_respond_problem(change->req, 428,
                                 "If-Match must name the version, as ETag has it");
        return false;
    }
    if (etag_compare(change->if_match, 0, false) == ETAG_BROKEN) {
        listings_respond_problem(change->req, 400, "If-Match is no list of entity tags");
        return false;
    }
    return true;
}

static void begin(struct http_request *req, struct listings *listings, enum verb verb)
{
    struct str token;
    if (!listings_may_write(listings, req, &token) || !listings_has_id(req)) {
        return;
    }
    struct change *change = arena_alloc(&req->arena, sizeof(*change));
    if (change == NULL) {
        listings_respond_status(req, UV_ENOMEM);
        return;
    }
    *change = (struct change){.req = req, .listings = listings, .verb = verb};
    req->user = change;
    uint64_t version = 0;
    if (!has_condition(change) ||
        (verb == VERB_PUT && !listings_read_body(req, LISTING_WHOLE, &change->wanted)) ||
        (verb == VERB_PATCH && !listings_has_json(req, LISTING_PATCH))) {
        return;
    }
    if (change->if_match.ptr == NULL ||
        (verb != VERB_PATCH && etag_is_one(change->if_match, &version))) {
        change->write.op.listing = change->wanted;
        write_over(change, version);
    } else {
        load(change);
    }
}

void listings_handle_put(struct http_request *req, void *listings)
{
    begin(req, listings, VERB_PUT);
}

void listings_handle_patch(struct http_request *req, void *listings)
{
    begin(req, listings, VERB_PATCH);
}

void listings_handle_delete(struct http_request *req, void *listings)
{
    begin(req, listings, VERB_DELETE);
}
