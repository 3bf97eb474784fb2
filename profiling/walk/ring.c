/* SPDX-License-Identifier: MIT
 *
 * ring.c - a sample is three words of header, three more if it belongs to a trace, and one per
 * frame. The positions only grow and wrap
 * with the type, so full and empty differ without a spare word.
 */
#include "profiling/walk/ring.h"

#define HEADER_WORDS  3
#define TRACE_WORDS   3u
#define TRACE_FLAG    (UINT64_C(1) << 31)
#define COMPLETE_FLAG (UINT64_C(1) << 32)
#define PERIOD_SHIFT  33

void ring_init(struct ring *ring, uint64_t *words, size_t count)
{
    ring->words = words;
    ring->mask = count - 1;
    atomic_init(&ring->pushed, 0);
    atomic_init(&ring->popped, 0);
    atomic_init(&ring->lost, 0);
}

void ring_push(struct ring *ring, const struct ring_sample *sample)
{
    size_t at = atomic_load_explicit(&ring->pushed, memory_order_relaxed);
    /* Acquire: the consumer has read the words that are overwritten now. */
    size_t used = at - atomic_load_explicit(&ring->popped, memory_order_acquire);
    const struct trace_ids *trace = &sample->owner.trace;
    const bool has_trace = trace->span_id != 0;
    size_t wanted = HEADER_WORDS + (has_trace ? TRACE_WORDS : 0) + sample->frame_count;
    if (wanted > ring->mask + 1 - used) {
        atomic_fetch_add_explicit(&ring->lost, sample->weight, memory_order_relaxed);
        return;
    }
    ring->words[at++ & ring->mask] = sample->taken_ns;
    ring->words[at++ & ring->mask] = (uint64_t)sample->weight << 32 | sample->owner.label;
    ring->words[at++ & ring->mask] = (uint64_t)sample->period_ns << PERIOD_SHIFT |
                                     (sample->is_complete ? COMPLETE_FLAG : 0) |
                                     (has_trace ? TRACE_FLAG : 0) | sample->frame_count;
    if (has_trace) {
        ring->words[at++ & ring->mask] = trace->trace_id[0];
        ring->words[at++ & ring->mask] = trace->trace_id[1];
        ring->words[at++ & ring->mask] = trace->span_id;
    }
    for (uint32_t i = 0; i < sample->frame_count; i++) {
        ring->words[at++ & ring->mask] = sample->frames[i];
    }
    atomic_store_explicit(&ring->pushed, at, memory_order_release);
}

bool ring_pop(struct ring *ring, struct ring_sample *ret_sample)
{
    size_t at = atomic_load_explicit(&ring->popped, memory_order_relaxed);
    if (at == atomic_load_explicit(&ring->pushed, memory_order_acquire)) {
        return false;
    }
    ret_sample->taken_ns = ring->words[at++ & ring->mask];
    uint64_t header = ring->words[at++ & ring->mask];
    uint64_t shape = ring->words[at++ & ring->mask];
    ret_sample->owner = (struct ring_owner){.label = (uint32_t)header};
    ret_sample->weight = (uint32_t)(header >> 32);
    ret_sample->frame_count = (uint32_t)(shape & (TRACE_FLAG - 1));
    ret_sample->period_ns = (uint32_t)(shape >> PERIOD_SHIFT);
    ret_sample->is_complete = (shape & COMPLETE_FLAG) != 0;
    if ((shape & TRACE_FLAG) != 0) {
        struct trace_ids *trace = &ret_sample->owner.trace;
        trace->trace_id[0] = ring->words[at++ & ring->mask];
        trace->trace_id[1] = ring->words[at++ & ring->mask];
        trace->span_id = ring->words[at++ & ring->mask];
    }
    for (uint32_t i = 0; i < ret_sample->frame_count; i++) {
        ret_sample->frames[i] = ring->words[at++ & ring->mask];
    }
    atomic_store_explicit(&ring->popped, at, memory_order_release);
    return true;
}

uint64_t ring_take_lost(struct ring *ring)
{
    return atomic_exchange_explicit(&ring->lost, 0, memory_order_relaxed);
}
