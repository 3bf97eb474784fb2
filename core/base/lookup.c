/* SPDX-License-Identifier: MIT
 *
 * lookup.c - open addressing with linear probing; the hash is kept so that growing needs no
 * comparing.
 */
#include "core/base/lookup.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUP_CELLS_MIN 64
#define ARRAY_ITEMS_MIN  16

void lookup_deinit(struct lookup *lookup)
{
    free(lookup->cells);
    *lookup = (struct lookup){0};
}

bool lookup_find(const struct lookup *lookup, uint64_t hash, lookup_equal_fn is_equal,
                 const void *key, uint32_t *ret_position)
{
    if (lookup->cap == 0) {
        return false;
    }
    for (size_t i = hash & (lookup->cap - 1);; i = (i + 1) & (lookup->cap - 1)) {
        const struct lookup_cell *cell = &lookup->cells[i];
        if (cell->position == 0) {
            return false;
        }
        if (cell->hash == (uint32_t)hash && is_equal(key, cell->position - 1)) {
            *ret_position = cell->position - 1;
            return true;
        }
    }
}

static void put(struct lookup_cell *cells, size_t cap, struct lookup_cell cell)
{
    size_t i = cell.hash & (cap - 1);
    while (cells[i].position != 0) {
        i = (i + 1) & (cap - 1);
    }
    cells[i] = cell;
}

static bool grow(struct lookup *lookup)
{
    size_t cap = lookup->cap == 0 ? LOOKUP_CELLS_MIN : lookup->cap * 2;
    struct lookup_cell *cells = calloc(cap, sizeof(*cells));
    if (cells == NULL) {
        return false;
    }
    for (size_t i = 0; i < lookup->cap; i++) {
        if (lookup->cells[i].position != 0) {
            put(cells, cap, lookup->cells[i]);
        }
    }
    free(lookup->cells);
    lookup->cells = cells;
    lookup->cap = cap;
    return true;
}

bool lookup_add(struct lookup *lookup, uint64_t hash, uint32_t position)
{
    if (lookup->count * 2 >= lookup->cap && !grow(lookup)) {
        return false;
    }
    put(lookup->cells, lookup->cap, (struct lookup_cell){(uint32_t)hash, position + 1});
    lookup->count++;
    return true;
}

uint64_t lookup_mix(uint64_t a, uint64_t b)
{
    /* The finaliser of MurmurHash3: every input bit reaches the low bits that choose the cell. */
    uint64_t h = a * UINT64_C(0x9e3779b97f4a7c15) + b;
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

bool array_grow(void *items, size_t count, size_t *cap, size_t item_bytes, size_t max)
{
    if (count < *cap) {
        return true;
    }
    if (count >= max) {
        return false;
    }
    size_t wanted = *cap == 0 ? ARRAY_ITEMS_MIN : *cap * 2;
    wanted = wanted > max ? max : wanted;
    void *old;
    memcpy(&old, items, sizeof(old));
    void *grown = realloc(old, wanted * item_bytes);
    if (grown == NULL) {
        return false;
    }
    memcpy(items, &grown, sizeof(grown));
    *cap = wanted;
    /* cppcheck-suppress memleak ; *items has it now, through memcpy */
    return true;
}
