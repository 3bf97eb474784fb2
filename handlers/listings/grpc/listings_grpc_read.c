/* SPDX-License-Identifier: MIT
 *
 * listings_grpc_read.c - GetListing, ListListings.
 */
#include "handlers/listings/grpc/listings_grpc.h"
#include "handlers/listings/grpc/listings_grpc_answer.h"
#include "handlers/listings/grpc/listings_message.h"
#include "handlers/listings/model/listing_stored.h"

/* One read, in the call's arena. */
struct reading {
    struct grpc_call *call;
    struct listings_read read;
    struct listings_query query;
};

static void on_cancel(struct grpc_call *call, int status)
{
    struct reading *reading = grpc_user(call);
    listings_cache_cancel(&reading->read);
    listings_grpc_fail(call, status);
}

static struct reading *create(struct grpc_call *call,
                              void (*on_done)(struct listings_read *read, int status))
{
    struct reading *reading = grpc_alloc(call, sizeof(*reading));
    struct http_request *req = grpc_request(call);
    if (reading == NULL) {
        listings_grpc_fail(call, UV_ENOMEM);
        return NULL;
    }
    *reading = (struct reading){
        .call = call,
        .read = {.arena = &req->arena, .task = &req->task, .on_done = on_done},
    };
    grpc_set_user(call, reading);
    return reading;
}

static void begun(struct grpc_call *call, int status)
{
    if (status < 0) {
        listings_grpc_fail(call, status);
    } else {
        grpc_on_cancel(call, on_cancel);
    }
}

/* --- one --- */

static void on_one(struct listings_read *read, int status)
{
    struct grpc_call *call = CONTAINER_OF(read, struct reading, read)->call;
    if (status < 0) {
        listings_grpc_fail(call, status);
    } else if (read->listing != NULL) {
        listings_grpc_respond(call, read->listing);
    } else {
        listings_grpc_respond_json(call, read->json);
    }
}

void listings_grpc_get(struct grpc_call *call, const struct ProtobufCMessage *request,
                       void *listings)
{
    const Toq__V1__GetListingRequest *message = (const Toq__V1__GetListingRequest *)request;
    const struct str id = {(const char *)message->id.data, message->id.len};
    struct listings *mine = listings;
    if (!listings_id_is_valid(id)) {
        listings_grpc_fail(call, UV_ENOENT);
        return;
    }
    struct reading *reading = create(call, on_one);
    if (reading != NULL) {
        reading->read.takes_listing = true;
        begun(call, listings_cache_get(&mine->cache, &reading->read, id));
    }
}

/* --- a page --- */

/* respond_page makes messages of the listings, in the call's arena. */
static void respond_page(struct grpc_call *call, const struct listings_page *page,
                         struct str cursor)
{
    Toq__V1__ListListingsResponse response = TOQ__V1__LIST_LISTINGS_RESPONSE__INIT;
    struct listings_message *messages = grpc_alloc(call, page->count * sizeof(*messages));
    listing_message **list = grpc_alloc(call, page->count * sizeof(*list));
    if (messages == NULL || list == NULL) {
        listings_grpc_fail(call, UV_ENOMEM);
        return;
    }
    for (size_t i = 0; i < page->count; i++) {
        listings_message_write(&page->list[i], &messages[i]);
        list[i] = &messages[i].message;
    }
    response.listings = list;
    response.n_listings = page->count;
    response.has_next_page_token = page->has_more;
    response.next_page_token = GRPC_BYTES(cursor);
    response.has_total = page->has_total;
    response.total = page->total;
    grpc_respond(call, &response.base);
}

static void on_page(struct listings_read *read, int status)
{
    struct reading *reading = CONTAINER_OF(read, struct reading, read);
    struct listings_page page;
    struct str cursor;
    if (status == 0) {
        status = listing_stored_page(read->arena, read->json, &page, &cursor);
    }
    if (status < 0) {
        listings_grpc_fail(reading->call, status);
    } else {
        respond_page(reading->call, &page, cursor);
    }
}

void listings_grpc_list(struct grpc_call *call, const struct ProtobufCMessage *request,
                        void *listings)
{
    const Toq__V1__ListListingsRequest *message = (const Toq__V1__ListListingsRequest *)request;
    struct listings *mine = listings;
    struct listing_errors errors;
    struct reading *reading = create(call, on_page);
    if (reading == NULL) {
        return;
    }
    if (!listings_message_query(reading->read.arena, message, &reading->query, &errors)) {
        listings_grpc_refuse(call, "the request is not understood", &errors);
        return;
    }
    begun(call, listings_cache_list(&mine->cache, &reading->read, &reading->query));
}
