/* SPDX-License-Identifier: MIT
 *
 * listings_create.c - claims the key, creates the listing, keeps the answer.
 */
#include "handlers/listings/work/listings_create.h"

#include "core/base/clock.h"

#define ANSWER_MAX_BYTES 65536

static void end(struct listings_creation *creation, const struct listings_created *created)
{
    creation->on_done(creation, created);
}

static void end_without(struct listings_creation *creation, enum listings_create_result result)
{
    const struct listings_created created = {.result = result};
    end(creation, &created);
}

/* release_key lets the next request with the key try at once. */
static void release_key(struct listings_creation *creation)
{
    if (creation->has_key) {
        idempotency_release(&creation->once);
    }
}

static void give_up(struct listings_creation *creation, int status)
{
    const struct listings_created created = {.result = LISTINGS_CREATE_FAILED, .status = status};
    release_key(creation);
    end(creation, &created);
}

/* keep stores the answer for the key, as "ID VERSION JSON". */
static void keep(struct listings_creation *creation, const struct listings_created *created)
{
    struct buf answer;
    buf_init(&answer, ANSWER_MAX_BYTES);
    buf_append_str(&answer, created->id);
    buf_append_char(&answer, ' ');
    buf_append_u64(&answer, created->version);
    buf_append_char(&answer, ' ');
    buf_append_str(&answer, created->json);
    if (!answer.is_failed) { /* else the lease ends, and the listing itself is found */
        idempotency_finish(&creation->once, buf_str(&answer));
    }
    buf_deinit(&answer);
}

static void complete(struct listings_creation *creation, struct str json, uint64_t version,
                     bool is_replayed)
{
    const struct listings_created created = {
        .id = {creation->id, LISTING_ID_LEN},
        .json = json,
        .version = version,
        .is_replayed = is_replayed,
    };
    if (creation->has_key) {
        keep(creation, &created);
    }
    end(creation, &created);
}

/* replay gives the answer that was kept. */
static void replay(struct listings_creation *creation)
{
    struct listings_created created = {.json = creation->once.answer, .is_replayed = true};
    struct str digits;
    if (!str_next_field(&created.json, ' ', &created.id) || created.id.len != LISTING_ID_LEN ||
        !str_next_field(&created.json, ' ', &digits) || created.json.ptr == NULL ||
        !str_parse_u64(digits, LISTINGS_VERSION_MAX, &created.version)) {
        created = (struct listings_created){.result = LISTINGS_CREATE_FAILED, .status = UV_EPROTO};
    }
    end(creation, &created);
}

/* --- creating --- */

static void on_loaded(struct listings_op *op, int status)
{
    struct listings_creation *creation = CONTAINER_OF(op, struct listings_creation, load);
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
static int find_made(struct listings_creation *creation)
{
    creation->load = (struct listings_op){
        .arena = creation->arena, .task = creation->task, .on_done = on_loaded};
    creation->phase = LISTINGS_CREATE_LOADING;
    return listings_store_get(creation->listings->cache.options.sql, &creation->load,
                              (struct str){creation->id, LISTING_ID_LEN});
}

static void on_written(struct listings_write *write, int status)
{
    struct listings_creation *creation = CONTAINER_OF(write, struct listings_creation, write);
    if (status == 0) {
        complete(creation, write->json, write->op.listing.version, false);
        return;
    }
    if (status == UV_EEXIST && creation->has_key) {
        status = find_made(creation);
    }
    if (status < 0) {
        give_up(creation, status);
    }
}

static int create(struct listings_creation *creation)
{
    struct listings_write *write = &creation->write;
    *write = (struct listings_write){
        .op = {.arena = creation->arena, .task = creation->task, .listing = creation->wanted},
        .on_done = on_written,
    };
    write->op.listing.id = (struct str){creation->id, LISTING_ID_LEN};
    creation->phase = LISTINGS_CREATE_WRITING;
    return listings_cache_create(&creation->listings->cache, write);
}

/* --- once for each key --- */

static void create_new(struct listings_creation *creation)
{
    memcpy(creation->id, creation->once.id, LISTING_ID_LEN);
    const int status = create(creation);
    if (status < 0) {
        give_up(creation, status);
    }
}

static void on_begun(struct idempotency_call *once, int status)
{
    struct listings_creation *creation = CONTAINER_OF(once, struct listings_creation, once);
    if (status < 0) {
        end_without(creation, LISTINGS_KEY_UNKNOWN);
        return;
    }
    switch (once->state) {
    case IDEMPOTENCY_NEW:
        create_new(creation);
        break;
    case IDEMPOTENCY_RUNNING:
        end_without(creation, LISTINGS_KEY_BUSY);
        break;
    case IDEMPOTENCY_DONE:
        replay(creation);
        break;
    case IDEMPOTENCY_OTHER:
        end_without(creation, LISTINGS_KEY_OTHER);
        break;
    }
}

int listings_create_start(struct listings_creation *creation, const struct idempotency_scope *scope)
{
    struct listings *listings = creation->listings;
    const int status = uuid_make(&listings->ids, clock_wall_ns(), creation->id);
    if (status < 0 || scope == NULL) {
        return status < 0 ? status : create(creation);
    }
    creation->has_key = true;
    creation->phase = LISTINGS_CREATE_CLAIMING;
    creation->once = (struct idempotency_call){.task = creation->task, .on_begun = on_begun};
    memcpy(creation->once.id, creation->id, LISTING_ID_LEN);
    return idempotency_begin(&listings->idempotency, &creation->once, scope);
}

void listings_create_cancel(struct listings_creation *creation)
{
    switch (creation->phase) {
    case LISTINGS_CREATE_CLAIMING:
        idempotency_cancel(&creation->once);
        return;
    case LISTINGS_CREATE_WRITING:
        listings_cache_cancel_write(&creation->write);
        break;
    case LISTINGS_CREATE_LOADING:
        listings_store_cancel(&creation->load);
        break;
    }
    release_key(creation);
}
