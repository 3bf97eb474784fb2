/* SPDX-License-Identifier: MIT
 *
 * listings_http_create.c - POST: a new listing, and with an Idempotency-Key one alone.
 *
 * Flow:    body -> [claim the key] -> create under an id of our own -> [keep the answer] -> 201
 *          -> the key's answer of then, or 409, or 422
 * Failure: with a key, an attempt that ends in doubt leaves its id behind: the next one creates under
 *          the same id, and when that is there already, it is the listing that was asked for.
 */
#include "core/base/clock.h"
#include "handlers/listings_respond.h"

#define BUSY_RETRY_S     1
#define ANSWER_MAX_BYTES 65536
#define LOCATION         "/v1/listings/"
#define LOCATION_BYTES   (sizeof(LOCATION) - 1 + LISTING_ID_LEN)

enum phase { PHASE_CLAIM, PHASE_WRITE, PHASE_LOAD };

/* One POST, in the request's arena. */
struct creation {
    struct http_request *req;
    struct listings *listings;
    enum phase phase; /* what is waited for */
    bool has_key;
    struct idempotency_call once;
    struct listings_write write;
    struct listings_op load;
    char id[LISTING_ID_LEN];
};

static void on_cancel(struct http_request *req, int status)
{
    struct creation *creation = req->user;
    switch (creation->phase) {
    case PHASE_CLAIM:
        idempotency_cancel(&creation->once);
        break;
    case PHASE_WRITE:
        listings_cache_cancel_write(&creation->write);
        break;
    case PHASE_LOAD:
        listings_store_cancel(&creation->load);
        break;
    }
    if (creation->has_key && creation->phase != PHASE_CLAIM) {
        idempotency_release(&creation->once);
    }
    listings_respond_status(req, status);
}

static void wait_for(struct creation *creation, enum phase phase)
{
    creation->phase = phase;
    http_on_cancel(creation->req, on_cancel);
}

/* --- answers ------------------------------------------------------------------------------------- */

static void respond(struct creation *creation, struct str id, struct str json, uint64_t version,
                    bool is_replayed)
{
    char location[LOCATION_BYTES];
    memcpy(location, LOCATION, sizeof(LOCATION) - 1);
    memcpy(location + sizeof(LOCATION) - 1, id.ptr, LISTING_ID_LEN);
    const struct listings_answer answer = {
        .status = 201,
        .json = json,
        .version = version,
        .location = {location, sizeof(location)},
        .is_replayed = is_replayed,
    };
    listings_respond(creation->req, &answer);
}

/* give_up ends the request without a listing; the next one with the key may try at once. */
static void give_up(struct creation *creation, int status)
{
    if (creation->has_key) {
        idempotency_release(&creation->once);
    }
    listings_respond_status(creation->req, status);
}

/* complete keeps the answer for the key, as "ID VERSION JSON", and gives it. */
static void complete(struct creation *creation, struct str json, uint64_t version, bool is_replayed)
{
    const struct str id = {creation->id, LISTING_ID_LEN};
    if (creation->has_key) {
        struct buf answer;
        buf_init(&answer, ANSWER_MAX_BYTES);
        buf_append_str(&answer, id);
        buf_append_char(&answer, ' ');
        buf_append_u64(&answer, version);
        buf_append_char(&answer, ' ');
        buf_append_str(&answer, json);
        if (!answer.is_failed) { /* else the lease ends, and the listing itself is found */
            idempotency_finish(&creation->once, buf_str(&answer));
        }
        buf_deinit(&answer);
    }
    respond(creation, id, json, version, is_replayed);
}

/* replay gives the answer that was kept. */
static void replay(struct creation *creation)
{
    struct str json = creation->once.answer;
    struct str id;
    struct str digits;
    uint64_t version;
    if (!str_next_field(&json, ' ', &id) || id.len != LISTING_ID_LEN ||
        !str_next_field(&json, ' ', &digits) || json.ptr == NULL ||
        !str_parse_u64(digits, LISTINGS_VERSION_MAX, &version)) {
        listings_respond_status(creation->req, UV_EPROTO);
        return;
    }
    respond(creation, id, json, version, true);
}

/* --- creating ------------------------------------------------------------------------------------ */

static void on_loaded(struct listings_op *op, int status)
{
    struct creation *creation = CONTAINER_OF(op, struct creation, load);
    struct buf json;
    if (status < 0) { /* UV_ENOENT: deleted this very moment */
        give_up(creation, status == UV_ENOENT ? UV_EBUSY : status);
        return;
    }
    buf_init(&json, ANSWER_MAX_BYTES);
    listing_to_json(&op->listing, &json);
    buf_append_char(&json, '\n');
    if (json.is_failed) {
        give_up(creation, UV_ENOMEM);
    } else {
        complete(creation, buf_str(&json), op->listing.version, true);
    }
    buf_deinit(&json);
}

/* find_made reads the listing that an earlier attempt has made. */
static void find_made(struct creation *creation)
{
    struct http_request *req = creation->req;
    creation->load =
        (struct listings_op){.arena = &req->arena, .task = &req->task, .on_done = on_loaded};
    const int status = listings_store_get(creation->listings->cache.options.sql, &creation->load,
                                          (struct str){creation->id, LISTING_ID_LEN});
    if (status < 0) {
        give_up(creation, status);
    } else {
        wait_for(creation, PHASE_LOAD);
    }
}

static void on_written(struct listings_write *write, int status)
{
    struct creation *creation = CONTAINER_OF(write, struct creation, write);
    if (status == 0) {
        complete(creation, write->json, write->op.listing.version, false);
    } else if (status == UV_EEXIST && creation->has_key) {
        find_made(creation);
    } else {
        give_up(creation, status);
    }
}

static void create(struct creation *creation)
{
    struct listings_write *write = &creation->write;
    write->op.listing.id = (struct str){creation->id, LISTING_ID_LEN};
    write->op.arena = &creation->req->arena;
    write->op.task = &creation->req->task;
    write->on_done = on_written;
    const int status = listings_cache_create(&creation->listings->cache, write);
    if (status < 0) {
        give_up(creation, status);
    } else {
        wait_for(creation, PHASE_WRITE);
    }
}

/* --- once for each key --------------------------------------------------------------------------- */

static void respond_no_redis(struct http_request *req)
{
    static const struct problem problem = {
        .status = 503,
        .detail = "nobody can tell now whether the Idempotency-Key is new",
        .retry_after_s = BUSY_RETRY_S,
    };
    problem_respond(req, &problem);
}

static void on_begun(struct idempotency_call *once, int status)
{
    static const struct problem running = {
        .status = 409,
        .detail = "a request with this Idempotency-Key is under way",
        .retry_after_s = BUSY_RETRY_S,
    };
    struct creation *creation = CONTAINER_OF(once, struct creation, once);
    if (status < 0) {
        respond_no_redis(creation->req);
        return;
    }
    switch (once->state) {
    case IDEMPOTENCY_NEW:
        memcpy(creation->id, once->id, LISTING_ID_LEN);
        create(creation);
        break;
    case IDEMPOTENCY_RUNNING:
        problem_respond(creation->req, &running);
        break;
    case IDEMPOTENCY_DONE:
        replay(creation);
        break;
    case IDEMPOTENCY_OTHER:
        listings_respond_problem(creation->req, 422,
                                 "the Idempotency-Key was used with another body");
        break;
    }
}

static void create_once(struct creation *creation, struct str token, struct str key)
{
    struct http_request *req = creation->req;
    const struct idempotency_scope scope = {token, req->path, key, req->body};
    creation->has_key = true;
    creation->once.task = &req->task;
    creation->once.on_begun = on_begun;
    memcpy(creation->once.id, creation->id, LISTING_ID_LEN);
    if (idempotency_begin(&creation->listings->idempotency, &creation->once, &scope) < 0) {
        respond_no_redis(req);
    } else {
        wait_for(creation, PHASE_CLAIM);
    }
}

void listings_handle_create(struct http_request *req, void *arg)
{
    struct listings *listings = arg;
    const struct str key = http_header_get(req, STR("idempotency-key"));
    struct str token;
    if (!listings_may_write(listings, req, &token)) {
        return;
    }
    if (key.ptr != NULL && !idempotency_key_is_valid(key)) {
        listings_respond_problem(req, 400,
                                 "Idempotency-Key must be 1 to 255 printable ASCII characters");
        return;
    }
    struct creation *creation = arena_alloc(&req->arena, sizeof(*creation));
    if (creation == NULL) {
        listings_respond_status(req, UV_ENOMEM);
        return;
    }
    *creation = (struct creation){.req = req, .listings = listings};
    req->user = creation;
    const int status = uuid_make(&listings->ids, clock_wall_ns(), creation->id);
    if (status < 0) {
        listings_respond_status(req, status);
    } else if (!listings_read_body(req, LISTING_WHOLE, &creation->write.op.listing)) {
        return;
    } else if (key.ptr != NULL) {
        create_once(creation, token, key);
    } else {
        create(creation);
    }
}
