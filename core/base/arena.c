/* SPDX-License-Identifier: MIT
 *
 * arena.c - bump allocation over a chain of blocks.
 */
#include "core/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *older;
    size_t size_bytes;
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    arena_init_charged(a, max_bytes, NULL);
}

void arena_init_charged(struct arena *a, size_t max_bytes, struct quota *quota)
{
    *a = (struct arena){.max_bytes = max_bytes, .quota = quota};
}

static size_t cost_of(size_t size_bytes)
{
    return sizeof(struct arena_block) + size_bytes;
}

static void free_block(struct arena *a, struct arena_block *block)
{
    quota_release(a->quota, cost_of(block->size_bytes));
    free(block);
}

static void use_block(struct arena *a, struct arena_block *block)
{
    a->blocks = block;
    a->next = block->data;
    a->end = block->data + block->size_bytes;
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = NULL;
    struct arena_block *block = a->blocks;
    while (block != NULL) {
        struct arena_block *older = block->older;
        if (kept == NULL && block->size_bytes == ARENA_BLOCK_BYTES) {
            kept = block;
        } else {
            free_block(a, block);
        }
        block = older;
    }
    arena_init_charged(a, a->max_bytes, a->quota);
    if (kept != NULL) {
        kept->older = NULL;
        a->used_bytes = kept->size_bytes;
        use_block(a, kept);
    }
}

void arena_deinit(struct arena *a)
{
    arena_reset(a);
    if (a->blocks != NULL) {
        free_block(a, a->blocks);
    }
    arena_init_charged(a, a->max_bytes, a->quota);
}

/* block_bytes is the size of the next block: a plain one, so that it can be kept, unless the wish
 * would waste most of it; the last one is what the maximum leaves. */
static size_t block_bytes(const struct arena *a, size_t size)
{
    const size_t left = a->max_bytes - a->used_bytes;
    const size_t plain = left < ARENA_BLOCK_BYTES ? left : ARENA_BLOCK_BYTES;
    const bool is_first = a->blocks == NULL;
    return size > plain || (!is_first && size > ARENA_BLOCK_BYTES / 4) ? size : plain;
}

static struct arena_block *make_block(struct arena *a, size_t size_bytes,
                                      enum quota_urgency urgency)
{
    const size_t cost = cost_of(size_bytes);
    struct arena_block *block = quota_realloc(a->quota, NULL, cost, cost, urgency);
    if (block != NULL) {
        block->size_bytes = size_bytes;
    }
    return block;
}

static bool add_block(struct arena *a, size_t size)
{
    if (size > a->max_bytes - a->used_bytes) {
        a->is_exceeded = true;
        return false;
    }
    struct arena_block *block = make_block(a, block_bytes(a, size), QUOTA_NORMAL);
    if (block == NULL && a->used_bytes + size <= ARENA_BLOCK_BYTES) {
        block = make_block(a, size, QUOTA_VITAL); /* little: without it no request can be refused */
    }
    if (block == NULL) {
        return false;
    }
    block->older = a->blocks;
    a->used_bytes += block->size_bytes;
    use_block(a, block);
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > a->max_bytes || size > SIZE_MAX - align) {
        a->is_exceeded = true;
        return NULL;
    }
    /* nothing is a wish too: it gets bytes of its own, for NULL means failure */
    const size_t rounded = size == 0 ? align : (size + align - 1) & ~(align - 1);
    if (rounded > (size_t)(a->end - a->next) && !add_block(a, rounded)) {
        return NULL;
    }
    char *p = a->next;
    a->next += rounded;
    return p;
}

void arena_give_back(struct arena *a, void *memory)
{
    for (struct arena_block **at = &a->blocks; *at != NULL; at = &(*at)->older) {
        struct arena_block *block = *at;
        if (block->data == memory && block->size_bytes > ARENA_BLOCK_BYTES) {
            *at = block->older;
            a->used_bytes -= block->size_bytes;
            if (a->end == block->data + block->size_bytes) {
                a->next = a->end = NULL; /* what is free in older blocks is not known any more */
            }
            free_block(a, block);
            return;
        }
    }
}

bool arena_copy(struct arena *a, struct str s, struct str *ret_copy)
{
    char *p = arena_alloc(a, s.len + 1);
    if (p == NULL) {
        return false;
    }
    *str_put(p, s) = '\0';
    *ret_copy = (struct str){p, s.len};
    return true;
}
