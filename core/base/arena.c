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
    *a = (struct arena){.max_bytes = max_bytes};
}

static void use_block(struct arena *a, struct arena_block *block)
{
    a->blocks = block;
    a->next = block->data;
    a->end = block->data + block->size_bytes;
}

void arena_reset(struct arena *a)
{
    if (a->first == NULL) {
        return;
    }
    while (a->blocks != a->first) {
        struct arena_block *older = a->blocks->older;
        free(a->blocks);
        a->blocks = older;
    }
    a->used_bytes = a->first->size_bytes;
    use_block(a, a->first);
}

void arena_deinit(struct arena *a)
{
    arena_reset(a);
    free(a->first);
    arena_init(a, a->max_bytes);
}

static bool add_block(struct arena *a, size_t size)
{
    const size_t size_bytes =
        size > ARENA_BLOCK_BYTES / 4 && a->first != NULL ? size : ARENA_BLOCK_BYTES;
    const size_t wanted_bytes = size_bytes < size ? size : size_bytes;
    if (wanted_bytes > a->max_bytes - a->used_bytes) {
        return false;
    }
    struct arena_block *block = malloc(sizeof(*block) + wanted_bytes);
    if (block == NULL) {
        return false;
    }
    block->older = a->blocks;
    block->size_bytes = wanted_bytes;
    if (a->first == NULL) {
        a->first = block;
    }
    a->used_bytes += wanted_bytes;
    use_block(a, block);
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > a->max_bytes) {
        return NULL;
    }
    const size_t rounded = (size + align - 1) & ~(align - 1);
    if (rounded > (size_t)(a->end - a->next) && !add_block(a, rounded)) {
        return NULL;
    }
    char *p = a->next;
    a->next += rounded;
    return p;
}

bool arena_copy(struct arena *a, struct str s, struct str *ret_copy)
{
    char *p = arena_alloc(a, s.len + 1);
    if (p == NULL) {
        return false;
    }
    if (s.len > 0) {
        memcpy(p, s.ptr, s.len);
    }
    p[s.len] = '\0';
    *ret_copy = (struct str){p, s.len};
    return true;
}
