/* SPDX-License-Identifier: MIT
 *
 * listings_seen.c - a table with one place for each hash.
 */
#include "handlers/listings_seen.h"

void listings_seen_note(struct listings_seen *seen, struct str id, uint64_t version,
                        uint64_t until_ms)
{
    const uint64_t hash = str_hash(id);
    struct listings_seen_slot *slot = &seen->slots[hash % LISTINGS_SEEN_SLOTS];
    if (slot->hash == hash && slot->version > version) {
        return; /* news of an older write came late */
    }
    *slot = (struct listings_seen_slot){hash, version, until_ms};
}

uint64_t listings_seen_version(const struct listings_seen *seen, struct str id, uint64_t now_ms)
{
    const uint64_t hash = str_hash(id);
    const struct listings_seen_slot *slot = &seen->slots[hash % LISTINGS_SEEN_SLOTS];
    return slot->hash == hash && now_ms < slot->until_ms ? slot->version : 0;
}
