/* SPDX-License-Identifier: MIT
 *
 * quota.c - moves batches between the quotas and their pool, and tells how full the pool is.
 */
#include "core/base/quota.h"

#include <stdlib.h>
#include <string.h>

#define TIGHT_PCT      80
#define TIGHT_END_PCT  75
#define FULL_END_PCT   95
#define SHARE_FRACTION 8 /* of what is left, for one of many */

void quota_pool_init(struct quota_pool *pool, size_t max_bytes, size_t reserve_bytes)
{
    REQUIRE(reserve_bytes < max_bytes);
    *pool = (struct quota_pool){.max_bytes = max_bytes, .reserve_bytes = reserve_bytes};
}

void quota_init(struct quota *quota, struct quota_pool *pool, bool is_forced)
{
    const size_t normal = pool->max_bytes - pool->reserve_bytes;
    *quota = (struct quota){
        .pool = pool,
        .limits = {is_forced ? SIZE_MAX : normal,
                   is_forced ? SIZE_MAX : normal + pool->reserve_bytes / 2},
    };
}

static size_t count_used(const struct quota_pool *pool)
{
    return atomic_load_explicit(&pool->granted_bytes, memory_order_relaxed) +
           atomic_load_explicit(&pool->foreign_bytes, memory_order_relaxed);
}

static size_t count_left(const struct quota *quota)
{
    const size_t used = count_used(quota->pool);
    return used < quota->limits[QUOTA_NORMAL] ? quota->limits[QUOTA_NORMAL] - used : 0;
}

/* find_level: a level that was reached ends a little below where it began, so that it does not
 * flicker. */
static enum quota_level find_level(const struct quota *quota)
{
    const size_t used = count_used(quota->pool);
    const size_t percent = quota->limits[QUOTA_NORMAL] / 100;
    const bool was_full = quota->level == QUOTA_FULL;
    const bool was_tight = quota->level != QUOTA_EASY;
    if (atomic_load_explicit(&quota->pool->is_short, memory_order_relaxed) ||
        used + QUOTA_BATCH_BYTES > quota->limits[QUOTA_NORMAL] ||
        (was_full && used >= FULL_END_PCT * percent)) {
        return QUOTA_FULL;
    }
    return used >= (was_tight ? TIGHT_END_PCT : TIGHT_PCT) * percent ? QUOTA_TIGHT : QUOTA_EASY;
}

void quota_check(struct quota *quota)
{
    const enum quota_level level = find_level(quota);
    if (level != quota->level) {
        quota->level = level;
        if (quota->on_level != NULL) {
            quota->on_level(quota);
        }
    }
}

size_t quota_share(const struct quota *quota, size_t least, size_t most)
{
    if (quota_level(quota) == QUOTA_EASY) {
        return most;
    }
    const size_t share = count_left(quota) / SHARE_FRACTION;
    const size_t bounded = share < most ? share : most;
    return bounded > least ? bounded : least;
}

bool quota_has_room(const struct quota *quota, size_t bytes)
{
    return quota == NULL || bytes <= quota->granted_bytes - quota->used_bytes ||
           bytes + QUOTA_BATCH_BYTES <= count_left(quota);
}

size_t quota_missing(const struct quota *quota)
{
    const size_t used = count_used(quota->pool);
    const size_t end = FULL_END_PCT * (quota->limits[QUOTA_NORMAL] / 100);
    return quota->level == QUOTA_FULL && used > end ? used - end : 0;
}

bool quota_note_short(struct quota *quota)
{
    if (quota == NULL) {
        return false;
    }
    struct quota_pool *pool = quota->pool;
    const bool was_short = atomic_exchange_explicit(&pool->is_short, true, memory_order_relaxed);
    if (!was_short && pool->on_short != NULL) {
        pool->on_short(pool);
    }
    quota_check(quota);
    return !was_short;
}

/* ask takes from the pool before it looks, so that two threads do not both see room for one. */
static bool ask(struct quota *quota, size_t bytes, size_t limit)
{
    struct quota_pool *pool = quota->pool;
    if (bytes > limit) {
        return false;
    }
    (void)atomic_fetch_add_explicit(&pool->granted_bytes, bytes, memory_order_relaxed);
    if (count_used(pool) > limit) {
        (void)atomic_fetch_sub_explicit(&pool->granted_bytes, bytes, memory_order_relaxed);
        return false;
    }
    quota->granted_bytes += bytes;
    return true;
}

/* take_batch: where a batch does not fit any more, only what is needed is taken: what a vital
 * charge left over would be had by others. */
static bool take_batch(struct quota *quota, size_t bytes, enum quota_urgency urgency)
{
    const size_t missing = bytes - (quota->granted_bytes - quota->used_bytes);
    const size_t limit = urgency == QUOTA_FORCED ? SIZE_MAX : quota->limits[urgency];
    const size_t rest = missing % QUOTA_BATCH_BYTES;
    const size_t rounded =
        missing < limit && rest > 0 ? missing + QUOTA_BATCH_BYTES - rest : missing;
    const bool is_taken =
        ask(quota, rounded, quota->limits[QUOTA_NORMAL]) || ask(quota, missing, limit);
    quota->refused += is_taken ? 0 : 1;
    quota_check(quota);
    return is_taken;
}

/* give_batch gives back what more than a batch of a quota's grant is unused. */
static void give_batch(struct quota *quota)
{
    const size_t unused = quota->granted_bytes - quota->used_bytes;
    const size_t given = (unused / QUOTA_BATCH_BYTES - 1) * QUOTA_BATCH_BYTES;
    (void)atomic_fetch_sub_explicit(&quota->pool->granted_bytes, given, memory_order_relaxed);
    quota->granted_bytes -= given;
    quota_check(quota);
}

bool quota_take(struct quota *quota, size_t bytes, enum quota_urgency urgency)
{
    if (quota == NULL) {
        return true;
    }
    if (UNLIKELY(bytes > quota->granted_bytes - quota->used_bytes) &&
        !take_batch(quota, bytes, urgency)) {
        return false;
    }
    quota->used_bytes += bytes;
    return true;
}

bool quota_charge(struct quota *quota, size_t bytes)
{
    return quota_take(quota, bytes, QUOTA_NORMAL);
}

void quota_release(struct quota *quota, size_t bytes)
{
    if (quota == NULL) {
        return;
    }
    quota->used_bytes -= bytes;
    if (UNLIKELY(quota->granted_bytes - quota->used_bytes >= 2 * QUOTA_BATCH_BYTES)) {
        give_batch(quota);
    }
}

void *quota_realloc(struct quota *quota, void *memory, size_t size, size_t cost,
                    enum quota_urgency urgency)
{
    if (!quota_take(quota, cost, urgency)) {
        return NULL;
    }
    void *grown = realloc(memory, size);
    if (grown == NULL && quota_note_short(quota)) {
        grown = realloc(memory, size);
    }
    if (grown == NULL) {
        quota_release(quota, cost);
    }
    return grown;
}

void *quota_calloc(struct quota *quota, size_t size, size_t cost, enum quota_urgency urgency)
{
    void *memory = quota_realloc(quota, NULL, size, cost, urgency);
    return memory == NULL ? NULL : memset(memory, 0, size);
}
