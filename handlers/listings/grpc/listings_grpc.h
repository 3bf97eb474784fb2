/* SPDX-License-Identifier: MIT
 *
 * listings_grpc.h - toq.v1.ListingService: the listings over gRPC, from the same store, cache,
 * checks and tokens as over HTTP.
 *
 * Flow:    interceptor: token -> handler: request -> store or cache -> message
 * Failure: one table maps the errors of the layers below to statuses: listings_grpc_fail.
 * Memory:  all of a call's is in its arena. What it waits for is cancelled with it.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_GRPC_LISTINGS_GRPC_H
#define TOQ_HANDLERS_LISTINGS_GRPC_LISTINGS_GRPC_H

#include "core/grpc/grpc.h"
#include "handlers/listings/work/listings.h"

struct ProtobufCMessage;

/* listings_grpc_mount serves the service, and asks for a token before each method that writes.
 *
 * Owns:    listings is borrowed and outlives grpc.
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int listings_grpc_mount(struct grpc *grpc, struct listings *listings);

/* --- between the files of the service --- */

/* listings_grpc_get serves GetListing. */
void listings_grpc_get(struct grpc_call *call, const struct ProtobufCMessage *request,
                       void *listings);

/* listings_grpc_list serves ListListings. */
void listings_grpc_list(struct grpc_call *call, const struct ProtobufCMessage *request,
                        void *listings);

/* listings_grpc_create serves CreateListing. */
void listings_grpc_create(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings);

/* listings_grpc_update serves UpdateListing. */
void listings_grpc_update(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings);

/* listings_grpc_delete serves DeleteListing. */
void listings_grpc_delete(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings);

/* listings_grpc_watch serves WatchListings. */
void listings_grpc_watch(struct grpc_call *call, const struct ProtobufCMessage *request,
                         void *listings);

/* listings_grpc_import serves ImportListings. */
void listings_grpc_import(struct grpc_call *call, const struct ProtobufCMessage *request,
                          void *listings);

/* listings_grpc_sync serves SyncListings. */
void listings_grpc_sync(struct grpc_call *call, const struct ProtobufCMessage *request,
                        void *listings);

#endif
