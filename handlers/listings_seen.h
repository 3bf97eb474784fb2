/* SPDX-License-Identifier: MIT
 *
 * listings_seen.h - which version of a listing is known to exist, so that an older one is not believed.
 *
 * A write tells its version here, whether it was made by this process or heard of from another. What
 * Redis still holds of an older version is then no hit: also when Redis was away as it was to be told.
 *
 * Memory: a table of fixed size; where two listings meet in a slot the later one is remembered, and
 *         the TTL alone guards the other.
 * Thread: the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_SEEN_H
#define TOQ_HANDLERS_LISTINGS_SEEN_H

#include "core/base/str.h"

#define LISTINGS_SEEN_SLOTS 4096

struct listings_seen_slot {
    uint64_t hash; /* of the id; two ids with one hash only make a hit a miss */
    uint64_t version;
    uint64_t until_ms; /* afterwards nothing older can be left in Redis */
};

struct listings_seen {
    struct listings_seen_slot slots[LISTINGS_SEEN_SLOTS]; /* zero: empty */
};

/* listings_seen_note says that `version` of a listing exists, or may exist.
 *
 * until_ms: as long as an older one may be cached.
 */
void listings_seen_note(struct listings_seen *seen, struct str id, uint64_t version,
                        uint64_t until_ms);

/* listings_seen_version is the newest version that is known at `now_ms`; 0: none is. */
uint64_t listings_seen_version(const struct listings_seen *seen, struct str id, uint64_t now_ms);

#endif
