/* SPDX-License-Identifier: MIT
 *
 * outq.c - blocks from a pool, filled at the end and drained from the front.
 */
#include "core/loop/outq.h"

#include <stdlib.h>

struct outq_block {
    struct outq_block *next;
    size_t len; /* bytes filled */
    size_t cap;
    char data[];
};

static size_t cost_of(size_t cap)
{
    return sizeof(struct outq_block) + cap;
}

static void free_block(struct outq_pool *pool, struct outq_block *block)
{
    quota_release(pool->quota, cost_of(block->cap));
    free(block);
}

void outq_pool_deinit(struct outq_pool *pool)
{
    while (pool->spare != NULL) {
        struct outq_block *next = pool->spare->next;
        free_block(pool, pool->spare);
        pool->spare = next;
    }
    pool->spare_count = 0;
}

static struct outq_block *make_block(struct outq_pool *pool, size_t cap, enum quota_urgency urgency)
{
    struct outq_block *block =
        quota_realloc(pool->quota, NULL, cost_of(cap), cost_of(cap), urgency);
    if (block != NULL) {
        block->cap = cap;
    }
    return block;
}

/* make_any makes a block of the pool's size where that suffices; when memory is short, one of just
 * `len` bytes for what is vital. */
static struct outq_block *make_any(struct outq_pool *pool, size_t len, enum quota_urgency urgency)
{
    const bool is_vital = urgency == QUOTA_VITAL && len <= OUTQ_BLOCK_BYTES;
    const size_t cap = len <= OUTQ_BLOCK_BYTES ? OUTQ_BLOCK_BYTES : len;
    struct outq_block *block =
        make_block(pool, cap, urgency == QUOTA_FORCED ? QUOTA_FORCED : QUOTA_NORMAL);
    return block == NULL && is_vital ? make_block(pool, len, QUOTA_VITAL) : block;
}

static struct outq_block *get_block(struct outq_pool *pool, size_t len, enum quota_urgency urgency)
{
    struct outq_block *block = pool->spare;
    if (block != NULL && len <= OUTQ_BLOCK_BYTES) {
        pool->spare = block->next;
        pool->spare_count--;
    } else {
        block = make_any(pool, len, urgency);
    }
    if (block != NULL) {
        block->next = NULL;
        block->len = 0;
    }
    return block;
}

static void put_block(struct outq_pool *pool, struct outq_block *block)
{
    if (block->cap != OUTQ_BLOCK_BYTES || pool->spare_count == OUTQ_POOL_BLOCKS) {
        free_block(pool, block);
        return;
    }
    block->next = pool->spare;
    pool->spare = block;
    pool->spare_count++;
}

char *outq_reserve(struct outq *q, struct outq_pool *pool, size_t len)
{
    if (q->last == NULL || q->last->cap - q->last->len < len) {
        struct outq_block *block = get_block(pool, len, q->urgency);
        if (block == NULL) {
            return NULL;
        }
        if (q->last == NULL) {
            q->first = block;
        } else {
            q->last->next = block;
        }
        q->last = block;
    }
    return q->last->data + q->last->len;
}

void outq_commit(struct outq *q, size_t len)
{
    q->last->len += len;
    q->len += len;
}

int outq_append(struct outq *q, struct outq_pool *pool, const char *data, size_t len)
{
    if (len == 0) {
        return 0;
    }
    char *room = outq_reserve(q, pool, len);
    if (room == NULL) {
        return UV_ENOMEM;
    }
    memcpy(room, data, len);
    outq_commit(q, len);
    return 0;
}

size_t outq_peek(const struct outq *q, uv_buf_t *bufs, size_t max)
{
    size_t count = 0;
    size_t offset = q->first_offset;
    for (struct outq_block *b = q->first; b != NULL && count < max; b = b->next) {
        if (b->len > offset) {
            bufs[count++] = (uv_buf_t){.base = b->data + offset, .len = b->len - offset};
        }
        offset = 0;
    }
    return count;
}

void outq_consume(struct outq *q, struct outq_pool *pool, size_t len)
{
    REQUIRE(len <= q->len);
    q->len -= len;
    q->first_offset += len;
    while (q->first != NULL && q->first_offset >= q->first->len) {
        struct outq_block *block = q->first;
        q->first_offset -= block->len;
        q->first = block->next;
        if (q->first == NULL) {
            q->last = NULL;
        }
        put_block(pool, block);
    }
}
