/* SPDX-License-Identifier: MIT
 *
 * arena.h - memory that is freed all at once: each request has an arena, so a handler frees
 * nothing.
 *
 * Memory: blocks of ARENA_BLOCK_BYTES from the allocator, larger ones for larger allocations, at
 *         most max_bytes in total. arena_reset keeps one plain block, so a busy connection
 *         allocates nothing and an idle one holds little. Blocks are charged to the quota.
 * Thread: one at a time.
 */
#ifndef TOQ_CORE_BASE_ARENA_H
#define TOQ_CORE_BASE_ARENA_H

#include "core/base/quota.h"
#include "core/base/str.h"

#define ARENA_BLOCK_BYTES 4096

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned; the newest, which leads to the older; NULL at first */
    char *next;                 /* free room in the newest block */
    char *end;
    size_t used_bytes; /* allocated blocks, against max_bytes */
    size_t max_bytes;
    bool is_exceeded;    /* an allocation failed because of max_bytes */
    struct quota *quota; /* that blocks are charged to; NULL for none */
};

/* arena_init starts an empty arena that allocates nothing yet. */
void arena_init(struct arena *a, size_t max_bytes);

/* arena_init_charged is arena_init with a quota, which outlives the arena. */
void arena_init_charged(struct arena *a, size_t max_bytes, struct quota *quota);

/* arena_reset takes back all that was handed out and keeps one block for the next time. */
void arena_reset(struct arena *a);

/* arena_deinit frees everything. */
void arena_deinit(struct arena *a);

/* arena_alloc hands out `size` bytes, aligned for any type, not zeroed.
 *
 * Returns: the bytes, valid until arena_reset; NULL when the maximum is reached or memory is
 * missing.
 */
MUST_USE void *arena_alloc(struct arena *a, size_t size);

/* arena_give_back frees what arena_alloc has returned before, where it has a block for itself: big
 * pieces that are needed for a while. Small ones, up to ARENA_BLOCK_BYTES, stay until arena_reset.
 *
 * It looks through all blocks: do not call it for small ones of which there may be many. */
void arena_give_back(struct arena *a, void *memory);

/* arena_copy copies `s` into the arena and adds a NUL behind it.
 *
 * Returns: true with *ret_copy set; false as arena_alloc returns NULL.
 */
MUST_USE bool arena_copy(struct arena *a, struct str s, struct str *ret_copy);

#endif
