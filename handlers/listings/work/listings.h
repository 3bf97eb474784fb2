/* SPDX-License-Identifier: MIT
 *
 * listings.h - the state that the services of listings share, over HTTP and gRPC: one cache, one
 * store, one set of tokens.
 *
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_H
#define TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_H

#include "handlers/kit/auth.h"
#include "handlers/kit/idempotency.h"
#include "handlers/kit/uuid.h"
#include "handlers/listings/cache/listings_cache.h"
#include "handlers/listings/work/listings_feed.h"
#include "handlers/listings/work/listings_slots.h"

struct listings_options {
    struct listings_cache_options cache;
    struct auth_tokens tokens; /* who may write; its texts are borrowed */
    uint64_t request_timeout_ms;
};

struct listings {
    struct listings_cache cache;
    struct listings_feed feed;
    struct listings_slots slots; /* of those who read the log for a client that is behind */
    struct idempotency idempotency;
    struct auth_tokens tokens;
    struct uuid_source ids;
};

/* listings_init prepares them. What the options name is borrowed, and closed after the last
 * request.
 *
 * Returns: 0; UV_ENOMEM.
 */
MUST_USE int listings_init(struct listings *listings, struct metrics *metrics,
                           const struct listings_options *options);

/* listings_deinit frees what they remember, when their clients are closed. */
void listings_deinit(struct listings *listings);

#endif
