/* SPDX-License-Identifier: MIT
 *
 * listings_seen.c - chains by hash over chunks of entries, which also stand in a queue by their
 * end.
 *
 * All entries live equally long, so the queue is in the order of the notes, and a note makes room
 * for itself: it drops two whose time is over. Nothing is ever moved, so no note takes longer than
 * others.
 */
#include "handlers/listings/cache/listings_seen.h"

#include <stdlib.h>

#define DROPS_A_NOTE 2

struct listings_seen_entry {
    uint64_t hash; /* of the id; two ids with one hash only make a hit a miss */
    uint64_t version;
    uint64_t until_ms;
    uint32_t next;  /* in its chain, or the free one */
    uint32_t older; /* in the queue */
    uint32_t newer;
};

static struct listings_seen_entry *at(const struct listings_seen *seen, uint32_t number)
{
    const uint32_t i = number - 1;
    return &seen->chunks[i / LISTINGS_SEEN_CHUNK][i % LISTINGS_SEEN_CHUNK];
}

static uint32_t *link_to(const struct listings_seen *seen, uint64_t hash)
{
    uint32_t *link = &seen->heads[hash % LISTINGS_SEEN_HEADS];
    while (*link != 0 && at(seen, *link)->hash != hash) {
        link = &at(seen, *link)->next;
    }
    return link;
}

/* --- the queue --- */

static void leave_queue(struct listings_seen *seen, const struct listings_seen_entry *entry)
{
    if (entry->older == 0) {
        seen->oldest = entry->newer;
    } else {
        at(seen, entry->older)->newer = entry->newer;
    }
    if (entry->newer == 0) {
        seen->newest = entry->older;
    } else {
        at(seen, entry->newer)->older = entry->older;
    }
}

static void join_queue(struct listings_seen *seen, uint32_t number)
{
    struct listings_seen_entry *entry = at(seen, number);
    entry->older = seen->newest;
    entry->newer = 0;
    if (seen->newest == 0) {
        seen->oldest = number;
    } else {
        at(seen, seen->newest)->newer = number;
    }
    seen->newest = number;
}

static void drop_oldest(struct listings_seen *seen)
{
    const uint32_t number = seen->oldest;
    struct listings_seen_entry *entry = at(seen, number);
    uint32_t *link = link_to(seen, entry->hash);
    *link = entry->next;
    leave_queue(seen, entry);
    entry->next = seen->free;
    seen->free = number;
    seen->count--;
}

static void drop_ended(struct listings_seen *seen, uint64_t now_ms)
{
    for (int i = 0; i < DROPS_A_NOTE && seen->oldest != 0; i++) {
        if (at(seen, seen->oldest)->until_ms > now_ms) {
            return;
        }
        drop_oldest(seen);
    }
}

/* --- room --- */

/* make_chunk adds a chunk to the free chain; false when there are all, or memory is missing. */
static bool make_chunk(struct listings_seen *seen)
{
    const uint32_t made = seen->made_count;
    if (made == LISTINGS_SEEN_MAX) {
        return false;
    }
    struct listings_seen_entry *chunk = calloc(LISTINGS_SEEN_CHUNK, sizeof(*chunk));
    if (chunk == NULL) {
        return false;
    }
    seen->chunks[made / LISTINGS_SEEN_CHUNK] = chunk;
    seen->made_count += LISTINGS_SEEN_CHUNK;
    for (uint32_t i = 0; i < LISTINGS_SEEN_CHUNK; i++) {
        chunk[i].next = i + 1 < LISTINGS_SEEN_CHUNK ? made + i + 2 : 0;
    }
    seen->free = made + 1;
    return true;
}

static bool has_room(struct listings_seen *seen)
{
    if (seen->heads == NULL) {
        seen->heads = calloc(LISTINGS_SEEN_HEADS, sizeof(*seen->heads));
    }
    return seen->heads != NULL && (seen->free != 0 || make_chunk(seen));
}

static uint32_t take_free(struct listings_seen *seen, uint64_t hash)
{
    const uint32_t number = seen->free;
    struct listings_seen_entry *entry = at(seen, number);
    uint32_t *head = &seen->heads[hash % LISTINGS_SEEN_HEADS];
    seen->free = entry->next;
    *entry = (struct listings_seen_entry){.hash = hash, .next = *head};
    *head = number;
    seen->count++;
    return number;
}

/* --- what callers do --- */

void listings_seen_note(struct listings_seen *seen, struct str id, uint64_t version,
                        uint64_t now_ms, uint64_t until_ms)
{
    const uint64_t hash = str_hash(id);
    uint32_t number = 0;
    drop_ended(seen, now_ms);
    if (seen->heads != NULL) {
        number = *link_to(seen, hash);
    }
    if (number != 0 && at(seen, number)->version > version) {
        return; /* news of an older write came late */
    }
    if (number != 0) {
        leave_queue(seen, at(seen, number));
    } else if (has_room(seen)) {
        number = take_free(seen, hash);
    } else {
        seen->blind_until_ms = until_ms;
        return;
    }
    at(seen, number)->version = version;
    at(seen, number)->until_ms = until_ms;
    join_queue(seen, number);
}

bool listings_seen_allows(const struct listings_seen *seen, struct str id, uint64_t version,
                          uint64_t now_ms)
{
    if (now_ms < seen->blind_until_ms) {
        return false;
    }
    const uint32_t number = seen->heads == NULL ? 0 : *link_to(seen, str_hash(id));
    return number == 0 || now_ms >= at(seen, number)->until_ms ||
           version >= at(seen, number)->version;
}

void listings_seen_deinit(struct listings_seen *seen)
{
    for (size_t i = 0; i < LISTINGS_SEEN_CHUNKS; i++) {
        free(seen->chunks[i]);
    }
    free(seen->heads);
    *seen = (struct listings_seen){.free = 0};
}
