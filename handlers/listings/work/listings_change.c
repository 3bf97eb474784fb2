/* SPDX-License-Identifier: MIT
 *
 * listings_change.c - loads, compares, merges and writes; again when another write came first.
 */
#include "handlers/listings/work/listings_change.h"

#define TRIES_MAX 8 /* of one that any version will do for, against others who write at once */

static int load(struct listings_change *change);

static void on_written(struct listings_write *write, int status)
{
    struct listings_change *change = CONTAINER_OF(write, struct listings_change, write);
    if (status == UV_EAGAIN && !change->is_exact) {
        status = load(change); /* somebody was faster: what there is now may do, too */
        if (status == 0) {
            return;
        }
    }
    change->on_done(change, status);
}

/* write_over starts the write on `version`. */
static int write_over(struct listings_change *change, uint64_t version)
{
    struct listings_cache *cache = &change->listings->cache;
    struct listings_write *write = &change->write;
    write->op.arena = change->arena;
    write->op.task = change->task;
    write->op.listing.id = change->id;
    write->on_done = on_written;
    return change->verb == LISTINGS_REMOVE ? listings_cache_remove(cache, write, version)
                                           : listings_cache_update(cache, write, version);
}

static bool does_version_do(const struct listings_change *change, uint64_t version)
{
    return change->is_exact ? version == change->version : change->accepts(change, version);
}

/* merge makes what is to be written of what is stored; false when the caller has refused it. */
static bool merge(struct listings_change *change)
{
    const struct listing *stored = &change->load.listing;
    struct listing *listing = &change->write.op.listing;
    *listing = change->verb == LISTINGS_REPLACE ? change->wanted : *stored;
    listing->created_us = stored->created_us;
    return change->verb != LISTINGS_MERGE || change->merge(change, listing);
}

static void on_stored(struct listings_op *op, int status)
{
    struct listings_change *change = CONTAINER_OF(op, struct listings_change, load);
    change->is_loading = false;
    if (status == 0 && !does_version_do(change, op->listing.version)) {
        status = UV_EAGAIN;
    }
    if (status == 0) {
        if (!merge(change)) {
            return;
        }
        status = write_over(change, op->listing.version);
    }
    if (status < 0) {
        change->on_done(change, status);
    }
}

static int load(struct listings_change *change)
{
    if (change->tries++ == TRIES_MAX) {
        return UV_EBUSY;
    }
    change->load =
        (struct listings_op){.arena = change->arena, .task = change->task, .on_done = on_stored};
    const int status =
        listings_store_get(change->listings->cache.options.sql, &change->load, change->id);
    change->is_loading = status == 0;
    return status;
}

int listings_change_start(struct listings_change *change)
{
    if (change->is_exact && change->verb != LISTINGS_MERGE) {
        change->write.op.listing = change->wanted;
        return write_over(change, change->version);
    }
    return load(change);
}

void listings_change_cancel(struct listings_change *change)
{
    if (change->is_loading) {
        listings_store_cancel(&change->load);
    } else {
        listings_cache_cancel_write(&change->write);
    }
}
