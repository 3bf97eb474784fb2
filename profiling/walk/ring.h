/* SPDX-License-Identifier: MIT
 *
 * ring.h - samples on their way from a signal handler to the loop: one producer, one consumer, no
 * lock.
 *
 * Flow:    handler on the thread -> ring_push -> loop -> ring_pop
 * Failure: a sample that does not fit is counted with its weight and dropped.
 * Memory:  the words are the caller's; their number is a power of two.
 */
#ifndef TOQ_PROFILING_WALK_RING_H
#define TOQ_PROFILING_WALK_RING_H

#include <stdatomic.h>

#include "core/base/trace_ids.h"

#define RING_FRAMES_MAX    128       /* as deep as Go's own profiles since 1.23 */
#define RING_PERIOD_NS_MAX INT32_MAX /* 31 bits of a word */

/* What a thread works for. */
struct ring_owner {
    uint32_t label; /* core/task/label.h */
    struct trace_ids trace;
};

/* A ring_owner_fn tells what the calling thread works for now. Thread: any, signal. */
typedef void (*ring_owner_fn)(struct ring_owner *ret_owner);

struct ring_sample {
    uint64_t taken_ns; /* CLOCK_MONOTONIC */
    struct ring_owner owner;
    uint32_t weight;                  /* timer periods that it stands for */
    uint32_t period_ns;               /* of the timer; at most RING_PERIOD_NS_MAX */
    uint32_t frame_count;             /* 1..RING_FRAMES_MAX */
    bool is_complete;                 /* the stack reaches the thread's start */
    uint64_t frames[RING_FRAMES_MAX]; /* code addresses, the innermost first */
};

struct ring {
    uint64_t *words;      /* the caller's */
    size_t mask;          /* words - 1 */
    atomic_size_t pushed; /* words ever written; the producer's */
    atomic_size_t popped; /* words ever read; the consumer's */
    atomic_uint_fast64_t lost;
};

/* ring_init starts an empty ring over `count` words, a power of two. */
void ring_init(struct ring *ring, uint64_t *words, size_t count);

/* ring_push copies a sample in, or adds its weight to the lost ones.
 *
 * Thread: signal; the producer's thread.
 */
void ring_push(struct ring *ring, const struct ring_sample *sample);

/* ring_pop takes the oldest sample out.
 *
 * Returns: true with *ret_sample set, of its frames only frame_count; false when the ring is empty.
 * Thread:  the consumer's.
 */
MUST_USE bool ring_pop(struct ring *ring, struct ring_sample *ret_sample);

/* ring_take_lost is the weight lost since the last call.
 *
 * Thread: any.
 */
uint64_t ring_take_lost(struct ring *ring);

#endif
