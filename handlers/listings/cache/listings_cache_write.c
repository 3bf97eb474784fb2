/* SPDX-License-Identifier: MIT
 *
 * listings_cache_write.c - a write: to MySQL first, then to the caches that may hold an older
 * version.
 *
 * When the effect of a write is unknown, an entry without content replaces the listing: reads go to
 * MySQL until the version of that write exists, or the TTL is over.
 */
#include "handlers/listings/cache/listings_cache.h"

#define BODY_MAX_BYTES (1u << 20)

/* finish tells the caller; the write may be gone afterwards. */
static void finish(struct listings_write *write, int status)
{
    struct buf body = write->body;
    write->cache = NULL;
    write->on_done(write, status);
    buf_deinit(&body);
}

/* forget_here makes this process believe nothing older, even if Redis cannot be told. */
static void forget_here(struct listings_cache *cache, struct str id, uint64_t version)
{
    listings_cache_note(cache, id, version);
    METRIC_ADD(cache->invalidations[0], 1);
}

static void on_put(void *arg, int status, uint64_t generation)
{
    struct listings_write *write = arg;
    struct listings_cache *cache = write->cache;
    write->put = NULL;
    if (status == 0 && cache->has_generation) {
        listings_cache_move_on(cache, generation); /* our own news would say it a little later */
    }
    finish(write, write->body.is_failed ? UV_ENOMEM : 0);
}

/* publish tells Redis and the other processes.
 *
 * is_awaited: on_put ends the write; else there is none.
 * Returns: as listings_entry_put.
 */
static int publish(struct listings_cache *cache, struct listings_write *write, struct str id,
                   const struct listings_entry *entry, bool is_awaited)
{
    char key[LISTINGS_KEY_BYTES];
    struct listings_put *put = NULL;
    const struct listings_put_options options = {
        .key = listings_entry_key(id, key),
        .entry = *entry,
        .ttl_ms = cache->options.ttl_ms,
        .id = id,
        .task = is_awaited ? write->op.task : NULL,
        .on_put = is_awaited ? on_put : NULL,
        .arg = write,
    };
    if (cache->options.ttl_ms == 0) {
        return UV_ENOTCONN; /* Redis is not used */
    }
    const int status = listings_entry_put(&cache->entries, &options, &put);
    if (status < 0) {
        cache->entries.on_untold(&cache->entries);
    } else if (is_awaited) {
        write->put = put;
    }
    return status;
}

void listings_cache_doubt(struct listings_cache *cache, struct str id, uint64_t version)
{
    const struct listings_entry unknown = {.version = version};
    forget_here(cache, id, version);
    const int status = publish(cache, NULL, id, &unknown, false);
    (void)status; /* this process remembers; the others have the TTL */
}

static bool is_doubtful(int status)
{
    return status == UV_ETIMEDOUT || status == UV_ECONNRESET || status == UV_ECANCELED ||
           status == UV_EPROTO || status == UV_EIO || status == UV_ENOMEM;
}

/* tell_write tells of a write that MySQL has carried out. Returns: as publish. */
static int tell_write(struct listings_write *write)
{
    struct listings_cache *cache = write->cache;
    const struct str id = write->op.listing.id;
    struct listings_entry entry = {.version = write->next_version};
    if (write->is_removal) {
        entry.version = LISTINGS_VERSION_MAX; /* an id is never used again */
        entry.is_deleted = true;
    } else {
        listing_to_json(&write->op.listing, &write->body);
        buf_append_char(&write->body, '\n');
        write->json = buf_str(&write->body);
        entry.version = write->op.listing.version;
        entry.json = write->body.is_failed ? entry.json : write->json; /* nothing is known, then */
    }
    forget_here(cache, id, entry.version);
    return publish(cache, write, id, &entry, true);
}

static void doubt(struct listings_cache *cache, const struct listings_write *write)
{
    listings_cache_doubt(cache, write->op.listing.id, write->next_version);
}

static void on_stored(struct listings_op *op, int status)
{
    struct listings_write *write = CONTAINER_OF(op, struct listings_write, op);
    if (status == 0) {
        if (tell_write(write) < 0) {
            finish(write, write->body.is_failed ? UV_ENOMEM : 0);
        }
        return;
    }
    if (is_doubtful(status)) {
        doubt(write->cache, write);
    }
    finish(write, status);
}

static void prepare(struct listings_cache *cache, struct listings_write *write,
                    uint64_t next_version)
{
    write->cache = cache;
    write->put = NULL;
    write->next_version = next_version;
    write->is_removal = false;
    write->op.on_done = on_stored;
    buf_init(&write->body, BODY_MAX_BYTES);
}

/* started is what a verb returns: a write that was refused has nothing to cancel. */
static int started(struct listings_write *write, int status)
{
    if (status < 0) {
        write->cache = NULL;
    }
    return status;
}

int listings_cache_create(struct listings_cache *cache, struct listings_write *write)
{
    prepare(cache, write, 1);
    return started(write, listings_store_create(cache->options.sql, &write->op));
}

int listings_cache_update(struct listings_cache *cache, struct listings_write *write,
                          uint64_t expected_version)
{
    prepare(cache, write, expected_version + 1);
    return started(write, listings_store_update(cache->options.sql, &write->op, expected_version));
}

int listings_cache_remove(struct listings_cache *cache, struct listings_write *write,
                          uint64_t expected_version)
{
    prepare(cache, write, expected_version == 0 ? LISTINGS_VERSION_MAX : expected_version + 1);
    write->is_removal = true;
    return started(write, listings_store_remove(cache->options.sql, &write->op, expected_version));
}

int listings_cache_tell(struct listings_cache *cache, struct listings_write *write)
{
    prepare(cache, write, write->op.listing.version);
    const int status = tell_write(write);
    if (status < 0) {
        buf_deinit(&write->body);
    }
    return started(write, status);
}

void listings_cache_cancel_write(struct listings_write *write)
{
    struct listings_cache *cache = write->cache;
    if (cache == NULL) {
        return;
    }
    write->cache = NULL;
    if (write->put != NULL) {
        listings_put_leave(write->put);
    } else {
        listings_store_cancel(&write->op);
        doubt(cache, write);
    }
    buf_deinit(&write->body);
}
