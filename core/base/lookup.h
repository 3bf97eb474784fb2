/* SPDX-License-Identifier: MIT
 *
 * lookup.h - a hash index over an array of the caller's: the index stores positions, the caller
 * compares elements. Also grows such arrays.
 *
 * Memory: 8 bytes per cell, at most half of them in use.
 * Thread: one at a time.
 */
#ifndef TOQ_CORE_BASE_LOOKUP_H
#define TOQ_CORE_BASE_LOOKUP_H

#include "core/base/base.h"

struct lookup_cell {
    uint32_t hash;
    uint32_t position; /* plus one; 0: empty */
};

struct lookup {
    struct lookup_cell *cells; /* owned; NULL until the first lookup_add */
    size_t cap;                /* cells, a power of two */
    size_t count;
};

/* A lookup_equal_fn tells whether the caller's item at `position` is the one that `key` describes.
 */
typedef bool (*lookup_equal_fn)(const void *key, uint32_t position);

/* lookup_deinit frees the cells; an all-zero struct lookup is an empty one. */
void lookup_deinit(struct lookup *lookup);

/* lookup_find searches the item with this hash for which is_equal says so.
 *
 * Returns: true with *ret_position set; false when there is none.
 */
MUST_USE bool lookup_find(const struct lookup *lookup, uint64_t hash, lookup_equal_fn is_equal,
                          const void *key, uint32_t *ret_position);

/* lookup_add enters an item that is not in yet.
 *
 * Returns: false when memory is missing; nothing changed.
 */
MUST_USE bool lookup_add(struct lookup *lookup, uint64_t hash, uint32_t position);

/* lookup_mix hashes two numbers. */
uint64_t lookup_mix(uint64_t a, uint64_t b);

/* array_grow makes room for one more item in *items, which holds `count` of *cap items.
 *
 * items: the address of the caller's pointer. max: items at most.
 * Returns: false at the maximum or when memory is missing; nothing changed.
 */
MUST_USE bool array_grow(void *items, size_t count, size_t *cap, size_t item_bytes, size_t max);

#endif
