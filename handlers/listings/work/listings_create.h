/* SPDX-License-Identifier: MIT
 *
 * listings_create.h - creates a listing; with an Idempotency-Key only once.
 *
 * Flow:    [claim the key] -> create under an id of our own -> [keep the answer] -> on_done
 * Failure: with a key, an attempt that ends in doubt leaves its id behind: the next one creates
 *          under the same id, and when that is there already, it is the listing that was asked for.
 * Memory:  a creation is its caller's until on_done runs or listings_create_cancel returns.
 * Thread:  the loop.
 */
#ifndef TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_CREATE_H
#define TOQ_HANDLERS_LISTINGS_WORK_LISTINGS_CREATE_H

#include "handlers/listings/work/listings.h"

enum listings_create_result {
    LISTINGS_CREATED,
    LISTINGS_CREATE_FAILED, /* as the status says */
    LISTINGS_KEY_UNKNOWN,   /* nobody can tell now whether the key is new */
    LISTINGS_KEY_BUSY,      /* a request with this key is under way */
    LISTINGS_KEY_OTHER,     /* the key was used with another body */
};

/* What has become of a creation; texts are borrowed until on_done returns. */
struct listings_created {
    enum listings_create_result result;
    int status; /* LISTINGS_CREATE_FAILED: as listings_done_fn has it */
    struct str id;
    struct str json;
    uint64_t version;
    bool is_replayed; /* it is the answer to an earlier request with the same key */
};

enum listings_create_phase {
    LISTINGS_CREATE_CLAIMING,
    LISTINGS_CREATE_WRITING,
    LISTINGS_CREATE_LOADING
};

struct listings_creation {
    /* the caller's: set before the start, everything else zero */
    struct listings *listings;
    struct arena *arena;
    struct task *task;
    struct listing wanted; /* its fields */
    void (*on_done)(struct listings_creation *creation, const struct listings_created *created);
    void *arg;

    /* private */
    enum listings_create_phase phase; /* what is waited for */
    bool has_key;
    struct idempotency_call once;
    struct listings_write write;
    struct listings_op load;
    char id[LISTING_ID_LEN];
};

/* listings_create_start begins.
 *
 * scope:   what makes two requests the same; NULL: there is no key.
 * Returns: 0: on_done runs once, later; else as listings_cache_create, and on_done never runs. With
 *          a scope, any error means LISTINGS_KEY_UNKNOWN.
 */
MUST_USE int listings_create_start(struct listings_creation *creation,
                                   const struct idempotency_scope *scope);

/* listings_create_cancel gives a creation up: on_done never runs. */
void listings_create_cancel(struct listings_creation *creation);

#endif
