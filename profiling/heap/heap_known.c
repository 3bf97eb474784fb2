/* SPDX-License-Identifier: MIT
 *
 * heap_known.c - a table by hash: two of 65,536 stacks share one of 64 bits with a chance of one in
 * ten thousand million, and then the two share a size.
 */
#include "profiling/heap/heap_known.h"

#include "core/base/lookup.h"

struct known {
    uint64_t hash;
    int64_t size_bytes;
    struct heap_amount allocated;
};

static struct {
    struct known *items;
    size_t count;
    size_t cap;
    struct lookup lookup;
} table;

static bool is_known(const void *key, uint32_t position)
{
    const uint64_t *hash = key;
    return table.items[position].hash == *hash;
}

static int64_t average(const struct heap_dump_stack *stack)
{
    const struct heap_amount *amount =
        stack->allocated.objects > 0 ? &stack->allocated : &stack->in_use;
    return amount->objects > 0 ? amount->bytes / amount->objects : 0;
}

static struct known *find_or_add(const struct heap_dump_stack *stack)
{
    uint64_t hash = stack->frame_count;
    for (size_t i = 0; i < stack->frame_count; i++) {
        hash = lookup_mix(stack->frames[i], hash);
    }
    uint32_t position;
    if (lookup_find(&table.lookup, hash, is_known, &hash, &position)) {
        return &table.items[position];
    }
    position = (uint32_t)table.count;
    if (!array_grow(&table.items, table.count, &table.cap, sizeof(*table.items), HEAP_KNOWN_MAX) ||
        !lookup_add(&table.lookup, hash, position)) {
        return NULL;
    }
    table.items[position] = (struct known){.hash = hash, .size_bytes = average(stack)};
    table.count++;
    return &table.items[position];
}

int64_t heap_known_size(const struct heap_dump_stack *stack)
{
    const struct known *known = find_or_add(stack);
    return known == NULL ? 0 : known->size_bytes;
}

struct heap_amount heap_known_raise(const struct heap_dump_stack *stack,
                                    struct heap_amount estimate)
{
    struct known *known = find_or_add(stack);
    if (known == NULL) {
        return estimate;
    }
    if (known->allocated.objects < estimate.objects) {
        known->allocated.objects = estimate.objects;
    }
    if (known->allocated.bytes < estimate.bytes) {
        known->allocated.bytes = estimate.bytes;
    }
    return known->allocated;
}
