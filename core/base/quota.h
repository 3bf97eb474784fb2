/* SPDX-License-Identifier: MIT
 *
 * quota.h - counts memory: an allocator charges a quota, and all quotas of a process share one
 * pool.
 *
 * Flow:    quota_realloc, or quota_charge before an allocation; quota_release after its free; a
 *          quota takes from the pool in batches, so that most charges touch nothing that is shared.
 * Failure: a charge that exceeds the pool is refused; the caller treats that like NULL from malloc.
 *          The pool's last bytes are a reserve: vital charges, which answers that refuse need, may
 *          take half of it, forced charges all of it.
 * Thread:  a quota belongs to one thread; the pool is shared by all.
 */
#ifndef TOQ_CORE_BASE_QUOTA_H
#define TOQ_CORE_BASE_QUOTA_H

#include <stdatomic.h>

#include "core/base/base.h"

#define QUOTA_BATCH_BYTES (64u << 10)

/* How much of its limit a quota sees in use: of all quotas together, and of what is not charged. */
enum quota_level {
    QUOTA_EASY,
    QUOTA_TIGHT, /* 80 %; until it is below 75 % again */
    QUOTA_FULL,  /* all of it, or malloc has failed; until it is below 95 % again */
};

enum quota_urgency {
    QUOTA_NORMAL,
    QUOTA_VITAL,  /* little, and without it nothing can be refused */
    QUOTA_FORCED, /* counted, and never refused: diagnostics */
};

struct quota_pool {
    atomic_size_t granted_bytes; /* to quotas */
    atomic_size_t foreign_bytes; /* allocated, and charged to no quota */
    size_t max_bytes;
    size_t reserve_bytes; /* of max_bytes */
    atomic_bool is_short; /* malloc has failed though the pool was not empty */
    /* gives back what is kept for a malloc that fails; any thread; NULL for nothing */
    void (*on_short)(struct quota_pool *pool);
};

struct quota {
    struct quota_pool *pool;
    size_t limits[2];     /* QUOTA_NORMAL's and QUOTA_VITAL's: how much of the pool may be in use */
    size_t used_bytes;    /* charged */
    size_t granted_bytes; /* by the pool; never less than used_bytes */
    uint64_t refused;     /* charges */
    enum quota_level level;
    void (*on_level)(struct quota *quota); /* level has changed; it only takes a note */
};

/* quota_pool_init makes a pool of max_bytes, of which reserve_bytes are for vital charges. */
void quota_pool_init(struct quota_pool *pool, size_t max_bytes, size_t reserve_bytes);

/* quota_init makes a quota of a pool.
 *
 * is_forced: each of its charges is.
 */
void quota_init(struct quota *quota, struct quota_pool *pool, bool is_forced);

/* quota_check brings level up to date. */
void quota_check(struct quota *quota);

/* quota_share tells how much one of many users of the same kind may hold: `most` at ease, else an
 * eighth of what is left, so that no number of them can fill the pool.
 *
 * least: never less.
 * Returns: most, when quota is NULL.
 */
size_t quota_share(const struct quota *quota, size_t least, size_t most);

/* quota_has_room tells whether a charge would not be refused. */
bool quota_has_room(const struct quota *quota, size_t bytes);

/* quota_missing tells how much must be given back for the quota not to be full any more; 0 when it
 * is not. */
size_t quota_missing(const struct quota *quota);

/* quota_note_short is told that malloc has failed: new work is refused for a while.
 *
 * Returns: true when it may succeed now, for what was kept for that has been given back.
 */
bool quota_note_short(struct quota *quota);

/* quota_take counts bytes that are about to be allocated.
 *
 * quota: NULL counts nothing.
 * Returns: false when they are too many.
 */
MUST_USE bool quota_take(struct quota *quota, size_t bytes, enum quota_urgency urgency);

/* quota_charge is quota_take with QUOTA_NORMAL. */
MUST_USE bool quota_charge(struct quota *quota, size_t bytes);

/* quota_release counts bytes that were charged and have been freed. */
void quota_release(struct quota *quota, size_t bytes);

/* quota_realloc allocates memory that is charged, as realloc does; when malloc fails, it tries once
 * more with what was kept for that.
 *
 * memory: NULL, or what is to grow. cost: the bytes that are charged now; 0: none. quota: NULL
 * charges nothing.
 * Returns: NULL when they are too many, or memory is missing; then nothing is charged.
 */
MUST_USE void *quota_realloc(struct quota *quota, void *memory, size_t size, size_t cost,
                             enum quota_urgency urgency);

/* quota_calloc is quota_realloc of new memory, zeroed. */
MUST_USE void *quota_calloc(struct quota *quota, size_t size, size_t cost,
                            enum quota_urgency urgency);

/* quota_level is a quota's level; QUOTA_EASY when it is NULL. */
static inline enum quota_level quota_level(const struct quota *quota)
{
    return quota == NULL ? QUOTA_EASY : quota->level;
}

#endif
