/* SPDX-License-Identifier: MIT
 *
 * span_ring.c - two counters that only grow, one for each side.
 */
#include "core/task/span_ring.h"

#include <stdatomic.h>
#include <stdlib.h>

struct span_ring {
    size_t mask;
    _Atomic size_t written;
    _Atomic size_t taken;
    _Atomic uint64_t lost;
    struct span_record records[];
};

struct span_ring *span_ring_create(size_t records)
{
    size_t size = 1;
    while (size < records) {
        size *= 2;
    }
    struct span_ring *ring = calloc(1, sizeof(*ring) + size * sizeof(ring->records[0]));
    if (ring != NULL) {
        ring->mask = size - 1;
    }
    return ring;
}

void span_ring_destroy(struct span_ring *ring)
{
    free(ring);
}

size_t span_ring_count(const struct span_ring *ring)
{
    return atomic_load_explicit(&ring->written, memory_order_acquire) -
           atomic_load_explicit(&ring->taken, memory_order_acquire);
}

struct span_record *span_ring_reserve(struct span_ring *ring)
{
    if (span_ring_count(ring) > ring->mask) {
        atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
        return NULL;
    }
    return &ring->records[atomic_load_explicit(&ring->written, memory_order_relaxed) & ring->mask];
}

void span_ring_commit(struct span_ring *ring)
{
    atomic_fetch_add_explicit(&ring->written, 1, memory_order_release);
}

const struct span_record *span_ring_peek(const struct span_ring *ring, size_t number)
{
    const size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    return &ring->records[(taken + number) & ring->mask];
}

void span_ring_drop(struct span_ring *ring, size_t count)
{
    atomic_fetch_add_explicit(&ring->taken, count, memory_order_release);
}

uint64_t span_ring_lost(const struct span_ring *ring)
{
    return atomic_load_explicit(&ring->lost, memory_order_relaxed);
}
