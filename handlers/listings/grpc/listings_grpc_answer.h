/* SPDX-License-Identifier: MIT
 *
 * listings_grpc_answer.h - how the calls of the service end.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_GRPC_LISTINGS_GRPC_ANSWER_H
#define TOQ_HANDLERS_LISTINGS_GRPC_LISTINGS_GRPC_ANSWER_H

#include "core/grpc/grpc.h"
#include "handlers/listings/model/listing.h"

/* listings_grpc_fail ends the call with what a status of the store or the cache is. */
void listings_grpc_fail(struct grpc_call *call, int status);

/* listings_grpc_refuse ends the call with INVALID_ARGUMENT, and the errors as its details.
 *
 * text: a literal. */
void listings_grpc_refuse(struct grpc_call *call, const char *text,
                          const struct listing_errors *errors);

/* listings_grpc_respond ends the call with one listing. */
void listings_grpc_respond(struct grpc_call *call, const struct listing *listing);

/* listings_grpc_respond_json ends the call with one listing, as listing_to_json has written it. */
void listings_grpc_respond_json(struct grpc_call *call, struct str json);

#endif
