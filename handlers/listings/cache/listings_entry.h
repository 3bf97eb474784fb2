/* SPDX-License-Identifier: MIT
 *
 * listings_entry.h - the entries of listings in Redis: their keys, their form, and the script that
 * writes them.
 *
 * Form:    VERSION ' ' UNTIL ' ' and the JSON text, or '-' for one that was deleted, or '?' for one
 *          of which nothing is known but that nothing older may be put there. Pages have version 0.
 *          UNTIL is the end of its time in ms since 1970: Redis counts the TTL from when it carries
 *          the command out, which may be long after it was sent.
 * Flow:    listings_entry_put -> a script that keeps what is newer; for a write it also moves the
 *          generation on and tells the other processes, in one step -> on_put
 * Memory:  what is put is copied, and lives until Redis has answered, whoever waits for it or left.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_ENTRY_H
#define TOQ_HANDLERS_LISTINGS_CACHE_LISTINGS_ENTRY_H

#include "core/redis/redis_script.h"
#include "handlers/listings/model/listing.h"

#define LISTINGS_KEY_BYTES  (12 + LISTING_ID_LEN) /* listings_entry_key */
#define LISTINGS_GENERATION "toq:listings:generation"
#define LISTINGS_CHANNEL    "toq:listings"

/* More than any version: of a listing whose next version nobody knows. 2^53 - 1, the biggest whole
 * number that a script computes with exactly. */
#define LISTINGS_VERSION_MAX UINT64_C(9007199254740991)

struct listings_entry {
    uint64_t version;
    uint64_t until_ms; /* wall clock; set by listings_entry_put */
    struct str json;   /* of one that is there; else its ptr is NULL */
    bool is_deleted;   /* false and no json: nothing is known */
};

/* What a write tells the other processes. */
struct listings_news {
    struct str id;
    uint64_t version; /* which it has now, or may have */
    uint64_t generation;
};

struct listings_entries {
    struct redis *redis;
    struct redis_script script;
    uint64_t timeout_ms; /* of one put */
    /* hears of each write that Redis could not be told of, whoever waits for it or left */
    void (*on_untold)(struct listings_entries *entries);
};

struct listings_put;

/* A listings_put_fn hears how a put ended, once. status: as redis_reply_fn. generation: the new one
 * of a write. */
typedef void (*listings_put_fn)(void *arg, int status, uint64_t generation);

struct listings_put_options {
    struct str key;
    struct listings_entry entry;
    uint64_t ttl_ms;
    struct str id;          /* of a write; ptr NULL: it is none */
    struct task *task;      /* who waits; NULL: nobody */
    listings_put_fn on_put; /* NULL: nobody wants to know */
    void *arg;
};

/* listings_entry_key writes the key of a listing.
 *
 * id: LISTING_ID_LEN. out: LISTINGS_KEY_BYTES.
 * Returns: a view of it.
 */
struct str listings_entry_key(struct str id, char *out);

/* listings_entry_parse reads what Redis held.
 *
 * Returns: true with *ret_entry set, a view of `text`; false when it is none of ours.
 */
MUST_USE bool listings_entry_parse(struct str text, struct listings_entry *ret_entry);

/* listings_news_parse reads a message of LISTINGS_CHANNEL, as listings_entry_parse. */
MUST_USE bool listings_news_parse(struct str text, struct listings_news *ret_news);

/* listings_entries_init prepares putting.
 *
 * timeout_ms: what Redis may take.
 */
void listings_entries_init(struct listings_entries *entries, struct redis *redis,
                           uint64_t timeout_ms,
                           void (*on_untold)(struct listings_entries *entries));

/* listings_entry_put stores an entry unless a newer one is there.
 *
 * Returns: 0 with *ret_put set, for listings_put_leave: on_put runs once, later; UV_ENOMEM, or as
 *          redis_send, and on_put never runs.
 */
MUST_USE int listings_entry_put(struct listings_entries *entries,
                                const struct listings_put_options *options,
                                struct listings_put **ret_put);

/* listings_put_leave says that nobody waits any more: on_put never runs, but the put goes on. */
void listings_put_leave(struct listings_put *put);

#endif
