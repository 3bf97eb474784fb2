/* SPDX-License-Identifier: MIT
 *
 * listings.c - opens the parts that the services share.
 */
#include "handlers/listings/work/listings.h"

#define LEASE_MARGIN_MS 1000 /* a request is cancelled before its lease is over */

int listings_init(struct listings *listings, struct metrics *metrics,
                  const struct listings_options *options)
{
    listings->tokens = options->tokens;
    listings->ids = (struct uuid_source){0};
    idempotency_init(&listings->idempotency, options->cache.redis,
                     options->request_timeout_ms + LEASE_MARGIN_MS);
    listings_feed_init(&listings->feed, options->cache.loop, options->cache.sql,
                       options->cache.pubsub);
    listings_slots_init(&listings->slots, options->cache.loop);
    return listings_cache_init(&listings->cache, metrics, &options->cache);
}

void listings_deinit(struct listings *listings)
{
    listings_cache_deinit(&listings->cache);
}
