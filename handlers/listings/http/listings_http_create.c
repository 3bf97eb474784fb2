/* SPDX-License-Identifier: MIT
 *
 * listings_http_create.c - POST: creates a listing; with an Idempotency-Key only once.
 *
 * Flow:    body -> listings_create -> 201 -> the key's answer of then, or 409, or 422
 */
#include "handlers/kit/tokens.h"
#include "handlers/listings/http/listings_respond.h"
#include "handlers/listings/work/listings_create.h"

#define BUSY_RETRY_S   1
#define LOCATION       "/v1/listings/"
#define LOCATION_BYTES (sizeof(LOCATION) - 1 + LISTING_ID_LEN)

/* --- answers --- */

static void respond(struct http_request *req, const struct listings_created *created)
{
    char location[LOCATION_BYTES];
    memcpy(location, LOCATION, sizeof(LOCATION) - 1);
    memcpy(location + sizeof(LOCATION) - 1, created->id.ptr, LISTING_ID_LEN);
    const struct listings_answer answer = {
        .status = 201,
        .json = created->json,
        .version = created->version,
        .location = {location, sizeof(location)},
        .is_replayed = created->is_replayed,
    };
    listings_respond(req, &answer);
}

static void respond_no_redis(struct http_request *req)
{
    static const struct problem problem = {
        .status = 503,
        .detail = "nobody can tell now whether the Idempotency-Key is new",
        .retry_after_s = BUSY_RETRY_S,
    };
    problem_respond(req, &problem);
}

static void on_done(struct listings_creation *creation, const struct listings_created *created)
{
    static const struct problem running = {
        .status = 409,
        .detail = "a request with this Idempotency-Key is under way",
        .retry_after_s = BUSY_RETRY_S,
    };
    struct http_request *req = creation->arg;
    switch (created->result) {
    case LISTINGS_CREATED:
        respond(req, created);
        break;
    case LISTINGS_CREATE_FAILED:
        listings_respond_status(req, created->status);
        break;
    case LISTINGS_KEY_UNKNOWN:
        respond_no_redis(req);
        break;
    case LISTINGS_KEY_BUSY:
        problem_respond(req, &running);
        break;
    case LISTINGS_KEY_OTHER:
        listings_respond_problem(req, 422, "the Idempotency-Key was used with another body");
        break;
    }
}

/* --- the beginning --- */

static void on_cancel(struct http_request *req, int status)
{
    listings_create_cancel(req->user);
    listings_respond_status(req, status);
}

static void start_http_creation(struct listings_creation *creation, struct str token,
                                struct str key)
{
    struct http_request *req = creation->arg;
    const struct idempotency_scope scope = {token, req->path, key, req->body};
    const bool has_key = key.ptr != NULL;
    const int status = listings_create_start(creation, has_key ? &scope : NULL);
    if (status == 0) {
        http_on_cancel(req, on_cancel);
    } else if (has_key) {
        respond_no_redis(req);
    } else {
        listings_respond_status(req, status);
    }
}

void listings_handle_create(struct http_request *req, void *arg)
{
    struct listings *listings = arg;
    const struct str key = http_header_get(req, STR("idempotency-key"));
    struct str token;
    if (!tokens_may_write(&listings->tokens, req, &token)) {
        return;
    }
    if (key.ptr != NULL && !idempotency_key_is_valid(key)) {
        listings_respond_problem(req, 400,
                                 "Idempotency-Key must be 1 to 255 printable ASCII characters");
        return;
    }
    struct listings_creation *creation = arena_alloc(&req->arena, sizeof(*creation));
    if (creation == NULL) {
        listings_respond_status(req, UV_ENOMEM);
        return;
    }
    *creation = (struct listings_creation){
        .listings = listings,
        .arena = &req->arena,
        .task = &req->task,
        .on_done = on_done,
        .arg = req,
    };
    req->user = creation;
    if (listings_read_body(req, LISTING_WHOLE, &creation->wanted)) {
        start_http_creation(creation, token, key);
    }
}
