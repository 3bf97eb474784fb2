/* SPDX-License-Identifier: MIT
 *
 * outq.h - the output queue of one connection: a chain of blocks that many small writes fill and
 * one system call sends.
 *
 * Memory: blocks come from a pool that all connections share, so an idle connection holds none.
 *         They are charged to the pool's quota, even while they are spare. The writer bounds the
 *         queue (conn.h: CONN_HIGH_BYTES).
 * Thread: the loop.
 */
#ifndef TOQ_CORE_LOOP_OUTQ_H
#define TOQ_CORE_LOOP_OUTQ_H

#include <uv.h>

#include "core/base/quota.h"
#include "core/base/str.h"

#define OUTQ_BLOCK_BYTES 16384
#define OUTQ_POOL_BLOCKS 64 /* spare blocks kept: 1 MiB */

struct outq_block;

struct outq_pool {
    struct outq_block *spare;
    size_t spare_count;
    struct quota *quota; /* NULL for none; set before the first block is made */
};

struct outq {
    struct outq_block *first;
    struct outq_block *last;
    size_t first_offset;        /* bytes of the first block that are written already */
    size_t len;                 /* bytes queued */
    enum quota_urgency urgency; /* of its blocks; QUOTA_VITAL: of those of OUTQ_BLOCK_BYTES alone */
};

/* outq_pool_deinit frees the spare blocks. */
void outq_pool_deinit(struct outq_pool *pool);

/* outq_reserve makes room at the end for up to `len` bytes in one piece.
 *
 * Returns: where to write; NULL when memory is missing. Nothing is queued until outq_commit.
 */
MUST_USE char *outq_reserve(struct outq *q, struct outq_pool *pool, size_t len);

/* outq_commit queues the first `len` bytes of what outq_reserve returned last. */
void outq_commit(struct outq *q, size_t len);

/* outq_append copies bytes to the end.
 *
 * Returns: 0; UV_ENOMEM, and nothing was queued.
 */
MUST_USE int outq_append(struct outq *q, struct outq_pool *pool, const char *data, size_t len);

/* outq_peek describes the first bytes of the queue for a vectored write.
 *
 * bufs: room for `max`.
 * Returns: how many were filled.
 */
size_t outq_peek(const struct outq *q, uv_buf_t *bufs, size_t max);

/* outq_consume drops the first `len` bytes, which were written. */
void outq_consume(struct outq *q, struct outq_pool *pool, size_t len);

#endif
