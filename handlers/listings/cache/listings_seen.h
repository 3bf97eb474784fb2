/* SPDX-License-Identifier: MIT
 *
 * listings_seen.h - which version of a listing is known to exist, so that an older one is not
 * believed.
 *
 * A write tells its version here, whether it was made by this process or heard of from another. An
 * older version in Redis is then no hit, also when Redis could not be told of the write.
 *
 * Failure: at LISTINGS_SEEN_MAX, or when memory is missing, a version that cannot be remembered
 *          makes all entries in Redis doubtful for as long as it would have been kept: none is used
 *          meanwhile.
 * Memory:  grows in chunks with the versions that are remembered, and shrinks as they expire, down
 *          to nothing.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_SEEN_H
#define TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_SEEN_H

#include "core/base/str.h"

#define LISTINGS_SEEN_CHUNK  4096
#define LISTINGS_SEEN_CHUNKS 64
#define LISTINGS_SEEN_MAX    (LISTINGS_SEEN_CHUNK * LISTINGS_SEEN_CHUNKS) /* 10 MiB */
#define LISTINGS_SEEN_HEADS  65536

struct listings_seen_entry;

struct listings_seen {
    struct listings_seen_entry *chunks[LISTINGS_SEEN_CHUNKS]; /* owned; zero: none yet */
    uint32_t *heads; /* owned, by hash: the first of a chain; NULL until the first note */
    uint32_t free;   /* the first of a chain; numbers count from 1, 0 is none */
    uint32_t oldest; /* in the order of their ends */
    uint32_t newest;
    uint32_t count;          /* remembered now */
    uint32_t made_count;     /* in the chunks that there are */
    uint64_t blind_until_ms; /* nothing is believed before */
};

/* listings_seen_note says that `version` of a listing exists, or may exist.
 *
 * until_ms: as long as an older one may be cached; not before that of an earlier note.
 */
void listings_seen_note(struct listings_seen *seen, struct str id, uint64_t version,
                        uint64_t now_ms, uint64_t until_ms);

/* listings_seen_allows tells whether a version from Redis can be believed to be the newest. */
bool listings_seen_allows(const struct listings_seen *seen, struct str id, uint64_t version,
                          uint64_t now_ms);

/* listings_seen_deinit frees everything. */
void listings_seen_deinit(struct listings_seen *seen);

#endif
