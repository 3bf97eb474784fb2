/* SPDX-License-Identifier: MIT
 *
 * listings_message.h - listings as messages of gRPC, both ways, and what is wrong with them.
 *
 * Memory: a message points into the listing, and a listing into the message: nothing is copied.
 * Thread: any.
 */
#ifndef TOQ_HANDLERS_LISTINGS_GRPC_LISTINGS_MESSAGE_H
#define TOQ_HANDLERS_LISTINGS_GRPC_LISTINGS_MESSAGE_H

#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "handlers/listings/model/listings_query.h"
#include "toq/v1/listings.pb-c.h"

typedef Toq__V1__Listing listing_message;

/* A listing as a message, with the messages in it. It points at itself, so it is not copied. */
struct listings_message {
    listing_message message;
    Google__Protobuf__Timestamp created_at;
    Google__Protobuf__Timestamp updated_at;
};

/* listings_message_write makes a message of a listing. */
void listings_message_write(const struct listing *listing, struct listings_message *ret_message);

/* listings_message_read takes the fields of a new listing, as listing_from_json does in
 * LISTING_WHOLE: an absent field takes its fallback, or is an error, as is a value of what the
 * server sets.
 *
 * message: NULL is one without fields.
 * Returns: true with the fields set and errors->count 0; false with errors filled.
 */
MUST_USE bool listings_message_read(const listing_message *message, struct listing *listing,
                                    struct listing_errors *errors);

/* Some fields of a listing; bit per enum listing_field. */
struct listings_patch {
    unsigned fields;
    struct listing listing;
};

#define LISTINGS_PATCH_ALL ((1U << LISTING_FIELD_COUNT) - 1)

/* listings_message_patch takes the fields that a mask names, "*" being all; without a mask, those
 * that are present. One that is named and absent takes its fallback, or is an error; what the
 * server sets is ignored unless it is named.
 *
 * mask:    NULL or empty: none.
 * Returns: as listings_message_read.
 */
MUST_USE bool listings_message_patch(const listing_message *message,
                                     const Google__Protobuf__FieldMask *mask,
                                     struct listings_patch *ret_patch,
                                     struct listing_errors *errors);

/* listings_patch_apply writes the patch's fields over a listing's. */
void listings_patch_apply(const struct listings_patch *patch, struct listing *listing);

/* listings_message_query reads what a page is asked for by, as the parameters of HTTP.
 *
 * arena:   for what the query points at beside the message.
 * Returns: true with *ret_query set and finished; false with errors filled.
 */
MUST_USE bool listings_message_query(struct arena *arena,
                                     const Toq__V1__ListListingsRequest *message,
                                     struct listings_query *ret_query,
                                     struct listing_errors *errors);

/* listings_message_details makes a google.rpc.Status whose detail is a BadRequest with the errors.
 *
 * Returns: in the arena; NULL when memory is missing.
 */
const Google__Rpc__Status *listings_message_details(struct arena *arena, int code, const char *text,
                                                    const struct listing_errors *errors);

#endif
