/* SPDX-License-Identifier: MIT
 *
 * listings_grpc_answer.c - how calls end: a status for each error below, and messages.
 */
#include "handlers/listings/grpc/listings_grpc_answer.h"

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
