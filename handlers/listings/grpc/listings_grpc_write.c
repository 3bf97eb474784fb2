/* SPDX-License-Identifier: MIT
 *
 * listings_grpc_write.c - CreateListing, UpdateListing, DeleteListing.
 */
#include "google/protobuf/empty.pb-c.h"
#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/grpc/listings_grpc_answer.h"
#include "handlers/listings/grpc/listings_message.h"
#include "handlers/listings/work/listings_change.h"
#include "handlers/listings/work/listings_create.h"

#define CREATE_PATH "toq.v1.ListingService/CreateListing" /* of keys: no key of HTTP's */

/* --- Create --- */

static void end_created(struct listings_creation *creation, const struct listings_created *created)
{
    struct grpc_call *call = creation->arg;
    switch (created->result) {
    case LISTINGS_CREATED:
        if (created->is_replayed) {
            const int status = grpc_add_header(call, STR("idempotency-replayed"), STR("true"));
            (void)status; /* for want of memory it is left out */
        }
        listings_grpc_respond_json(call, created->json);
        break;
    case LISTINGS_CREATE_FAILED:
        listings_grpc_fail(call, created->status);
        break;
    case LISTINGS_KEY_UNKNOWN:
        grpc_end(call, GRPC_STATUS(GRPC_UNAVAILABLE,
                                   "nobody can tell now whether the idempotency key is new"));
        break;
    case LISTINGS_KEY_BUSY:
        grpc_end(call, GRPC_STATUS(GRPC_ABORTED, "a call with this idempotency key is under way"));
        break;
    case LISTINGS_KEY_OTHER:
        grpc_end(call, GRPC_STATUS(GRPC_INVALID_ARGUMENT,
                                   "the idempotency key was used with another listing"));
        break;
    }
}

static void on_create_cancel(struct grpc_call *call, int status)
{
    listings_create_cancel(grpc_user(call));
    listings_grpc_fail(call, status);
}

/* key_of finds the idempotency key, in the request or beside it; ptr NULL: there is none. */
static struct str key_of(struct grpc_call *call, const Toq__V1__CreateListingRequest *message)
{
    if (message->idempotency_key.len > 0) {
        return (struct str){(const char *)message->idempotency_key.data,
                            message->idempotency_key.len};
    }
    return grpc_metadata(call, STR("idempotency-key"), 0);
}

/* body_of is the listing's bytes, by which two requests are the same; ptr NULL when memory is
 * missing. */
static struct str body_of(struct grpc_call *call, const listing_message *message)
{
    const size_t len = toq__v1__listing__get_packed_size(message);
    uint8_t *bytes = grpc_alloc(call, len);
    if (bytes == NULL) {
        return (struct str){NULL, 0};
    }
    return (struct str){(const char *)bytes, toq__v1__listing__pack(message, bytes)};
}

static void start_rpc_creation(struct listings_creation *creation, const listing_message *message,
                               struct str key)
{
    struct grpc_call *call = creation->arg;
    struct idempotency_scope scope = {.path = STR(CREATE_PATH), .key = key};
    const bool has_key = key.ptr != NULL;
    if (has_key) {
        scope.body = body_of(call, message);
        if (scope.body.ptr == NULL ||
            !auth_find_token(&creation->listings->tokens, grpc_request(call), &scope.token)) {
            listings_grpc_fail(call, UV_ENOMEM); /* the token was there before the handler ran */
            return;
        }
    }
    const int status = listings_create_start(creation, has_key ? &scope : NULL);
    if (status == 0) {
        grpc_on_cancel(call, on_create_cancel);
    } else if (has_key) {
        const struct listings_created unknown = {.result = LISTINGS_KEY_UNKNOWN};
        end_created(creation, &unknown);
    } else {
        listings_grpc_fail(call, status);
    }
}

void listings_grpc_create(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings)
{
    const Toq__V1__CreateListingRequest *message = (const Toq__V1__CreateListingRequest *)request;
    const struct str key = key_of(call, message);
    struct http_request *req = grpc_request(call);
    struct listings_creation *creation = grpc_alloc(call, sizeof(*creation));
    struct listing_errors errors;
    if (creation == NULL) {
        listings_grpc_fail(call, UV_ENOMEM);
        return;
    }
    *creation = (struct listings_creation){
        .listings = listings,
        .arena = &req->arena,
        .task = &req->task,
        .on_done = end_created,
        .arg = call,
    };
    grpc_set_user(call, creation);
    if (key.ptr != NULL && !idempotency_key_is_valid(key)) {
        errors = (struct listing_errors){.count = 1};
        errors.list[0] = (struct field_error){STR("idempotency_key"),
                                              "must be 1 to 255 printable ASCII characters"};
        listings_grpc_refuse(call, "the idempotency key is not valid", &errors);
    } else if (!listings_message_read(message->listing, &creation->wanted, &errors)) {
        listings_grpc_refuse(call, "the listing is not valid", &errors);
    } else {
        start_rpc_creation(creation, message->listing, key);
    }
}

/* --- Update --- */

/* One write, in the call's arena. */
struct writing {
    struct grpc_call *call;
    struct listings_change change;
    struct listings_patch patch;
};

static void on_change_cancel(struct grpc_call *call, int status)
{
    struct writing *writing = grpc_user(call);
    listings_change_cancel(&writing->change);
    listings_grpc_fail(call, status);
}

static void on_changed(struct listings_change *change, int status)
{
    struct grpc_call *call = change->arg;
    const Google__Protobuf__Empty empty = GOOGLE__PROTOBUF__EMPTY__INIT;
    if (status < 0) {
        listings_grpc_fail(call, status);
    } else if (change->verb == LISTINGS_REMOVE) {
        grpc_respond(call, &empty.base);
    } else {
        listings_grpc_respond(call, &change->write.op.listing);
    }
}

static bool merge(struct listings_change *change, struct listing *listing)
{
    const struct writing *writing = CONTAINER_OF(change, struct writing, change);
    listings_patch_apply(&writing->patch, listing);
    return true;
}

/* create_writing prepares a write over one listing; NULL when the call has ended. */
static struct writing *create_writing(struct grpc_call *call, struct listings *listings,
                                      ProtobufCBinaryData id, uint64_t version)
{
    struct http_request *req = grpc_request(call);
    struct writing *writing = grpc_alloc(call, sizeof(*writing));
    if (writing == NULL) {
        listings_grpc_fail(call, UV_ENOMEM);
        return NULL;
    }
    *writing = (struct writing){.call = call};
    writing->change = (struct listings_change){
        .listings = listings,
        .arena = &req->arena,
        .task = &req->task,
        .id = {(const char *)id.data, id.len},
        .is_exact = true,
        .version = version,
        .merge = merge,
        .on_done = on_changed,
        .arg = call,
    };
    grpc_set_user(call, writing);
    if (!listings_id_is_valid(writing->change.id)) {
        listings_grpc_fail(call, UV_ENOENT);
        return NULL;
    }
    return writing;
}

static void start_change(struct writing *writing, enum listings_verb verb)
{
    struct grpc_call *call = writing->call;
    writing->change.verb = verb;
    const int status = listings_change_start(&writing->change);
    if (status < 0) {
        listings_grpc_fail(call, status);
    } else {
        grpc_on_cancel(call, on_change_cancel);
    }
}

void listings_grpc_update(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings)
{
    const Toq__V1__UpdateListingRequest *message = (const Toq__V1__UpdateListingRequest *)request;
    const listing_message none = TOQ__V1__LISTING__INIT;
    const listing_message *wanted = message->listing == NULL ? &none : message->listing;
    struct listing_errors errors;
    struct writing *writing = create_writing(call, listings, wanted->id, wanted->version);
    if (writing == NULL) {
        return;
    }
    if (!listings_message_patch(wanted, message->update_mask, &writing->patch, &errors)) {
        listings_grpc_refuse(call, "the change is not valid", &errors);
    } else if (wanted->version == 0) {
        grpc_end(call, GRPC_STATUS(GRPC_FAILED_PRECONDITION,
                                   "listing.version must be the one that the change is made for"));
    } else if (writing->patch.fields == LISTINGS_PATCH_ALL) {
        writing->change.wanted = writing->patch.listing;
        start_change(writing, LISTINGS_REPLACE);
    } else {
        start_change(writing, LISTINGS_MERGE);
    }
}

/* --- Delete --- */

void listings_grpc_delete(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings)
{
    const Toq__V1__DeleteListingRequest *message = (const Toq__V1__DeleteListingRequest *)request;
    struct writing *writing = create_writing(call, listings, message->id, message->version);
    if (writing != NULL) {
        start_change(writing, LISTINGS_REMOVE);
    }
}
