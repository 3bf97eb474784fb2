/* SPDX-License-Identifier: MIT
 *
 * listings_grpc.c - the table of methods, and who may write.
 */
#include "handlers/listings/grpc/listings_grpc.h"

#include "handlers/kit/tokens.h"
#include "handlers/listings/grpc/listings_message.h"

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
    return is_write(grpc_full_name(call)) ? tokens_check(&listings->tokens, call)
                                          : (struct grpc_status){0};
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
