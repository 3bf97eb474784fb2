/* SPDX-License-Identifier: MIT
 *
 * listings_grpc.c - the table of methods, who may write, and how calls end.
 */
#include "handlers/listings/grpc/listings_grpc.h"

#include "core/telemetry/log_limit.h"
#include "handlers/listings/grpc/listings_message.h"
#include "handlers/listings/model/listing_stored.h"

void listings_grpc_fail(struct grpc_call *call, int status)
{
    static const struct {
        int status;
        struct grpc_status end;
    } rows[] = {
        {UV_ENOENT, {GRPC_NOT_FOUND, STR("no such listing"), NULL}},
        {UV_EAGAIN, {GRPC_ABORTED, STR("the listing has another version"), NULL}},
        {UV_ENOTCONN, {GRPC_UNAVAILABLE, STR("the database is away"), NULL}},
        {UV_ECONNRESET, {GRPC_UNAVAILABLE, STR("the database went away"), NULL}},
        {UV_ETIMEDOUT, {GRPC_UNAVAILABLE, STR("the database is slow"), NULL}},
        {UV_ECONNABORTED, {GRPC_ABORTED, STR("the database is busy: try again"), NULL}},
        {UV_EBUSY, {GRPC_RESOURCE_EXHAUSTED, STR("the database is busy"), NULL}},
        {UV_EROFS, {GRPC_UNAVAILABLE, STR("the database takes no writes"), NULL}},
        {UV_ECANCELED, {GRPC_UNAVAILABLE, STR("shutting down"), NULL}},
        {UV_ENOMEM, {GRPC_RESOURCE_EXHAUSTED, STR("out of memory"), NULL}},
    };
    static const struct grpc_status other = {GRPC_INTERNAL, STR("the database refuses"), NULL};
    const struct grpc_status *end = &other;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        end = rows[i].status == status ? &rows[i].end : end;
    }
    if (end == &other) {
        LOG_LIMITED(LOG_ERROR, "listings", "call failed", log_cstr("method", grpc_full_name(call)),
                    log_cstr("error", uv_err_name(status)));
    }
    grpc_end(call, *end);
}

void listings_grpc_refuse(struct grpc_call *call, const char *text,
                          const struct listing_errors *errors)
{
    const Google__Rpc__Status *details =
        listings_message_details(&grpc_request(call)->arena, GRPC_INVALID_ARGUMENT, text, errors);
    const struct grpc_status status = {GRPC_INVALID_ARGUMENT, str_from(text),
                                       details == NULL ? NULL : &details->base};
    grpc_end(call, status);
}

void listings_grpc_respond(struct grpc_call *call, const struct listing *listing)
{
    struct listings_message message;
    listings_message_write(listing, &message);
    grpc_respond(call, &message.message.base);
}

void listings_grpc_respond_json(struct grpc_call *call, struct str json)
{
    struct listing listing;
    const int status = listing_stored_one(&grpc_request(call)->arena, json, &listing);
    if (status < 0) {
        listings_grpc_fail(call, status);
    } else {
        listings_grpc_respond(call, &listing);
    }
}

/* --- the table --- */

static const struct grpc_method methods[] = {
    {"GetListing", GRPC_UNARY, listings_grpc_get},
    {"ListListings", GRPC_UNARY, listings_grpc_list},
    {"CreateListing", GRPC_UNARY, listings_grpc_create},
    {"UpdateListing", GRPC_UNARY, listings_grpc_update},
    {"DeleteListing", GRPC_UNARY, listings_grpc_delete},
    {"WatchListings", GRPC_SERVER_WATCH, listings_grpc_watch},
    {"ImportListings", GRPC_CLIENT_STREAM, listings_grpc_import},
    {"SyncListings", GRPC_BIDI_STREAM, listings_grpc_sync},
};

static bool is_write(const char *name)
{
    static const char *const writes[] = {
        "toq.v1.ListingService/CreateListing",
        "toq.v1.ListingService/UpdateListing",
        "toq.v1.ListingService/DeleteListing",
        "toq.v1.ListingService/ImportListings",
    };
    for (size_t i = 0; i < ARRAY_COUNT(writes); i++) {
        if (strcmp(name, writes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct grpc_status check_token(struct grpc_call *call, void *arg)
{
    const struct listings *listings = arg;
    struct str token;
    if (is_write(grpc_full_name(call)) &&
        !auth_find_token(&listings->tokens, grpc_request(call), &token)) {
        return GRPC_STATUS(GRPC_UNAUTHENTICATED, "writing needs a bearer token");
    }
    return (struct grpc_status){0};
}

int listings_grpc_mount(struct grpc *grpc, struct listings *listings)
{
    const struct grpc_interceptor auth = {.on_start = check_token, .arg = listings};
    const struct grpc_service service = {
        .descriptor = &toq__v1__listing_service__descriptor,
        .methods = methods,
        .method_count = ARRAY_COUNT(methods),
        .arg = listings,
    };
    grpc_add_interceptor(grpc, &auth);
    return grpc_add_service(grpc, &service);
}
