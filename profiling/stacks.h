/* SPDX-License-Identifier: MIT
 *
 * stacks.h - the samples of one capture, counted per distinct stack, label and thread name.
 *
 * Stacks share their outer frames: a trie of {parent, address}, in which a stack is the number of
 * its leaf.
 *
 * Memory: at most STACKS_NODES_MAX frames (about 8 MiB) and STACKS_SAMPLES_MAX samples; what does
 * not fit is counted. Thread: one at a time.
 */
#ifndef TOQ_PROFILING_STACKS_H
#define TOQ_PROFILING_STACKS_H

#include "profiling/lookup.h"

#define STACKS_NODES_MAX   (1u << 18)
#define STACKS_SAMPLES_MAX (1u << 16)
#define STACKS_NO_PARENT   UINT32_MAX

struct stacks_node {
    uint64_t address;
    uint32_t parent; /* the caller's node; STACKS_NO_PARENT at the root */
};

struct stacks_sample {
    uint64_t count;  /* the sum of the weights */
    uint32_t leaf;   /* node of the innermost frame */
    uint32_t label;  /* core/loop/label.h */
    uint32_t thread; /* a number of the caller's for the thread's name */
};

struct stacks {
    struct stacks_node *nodes;
    size_t node_count;
    size_t node_cap;
    struct lookup node_lookup;

    struct stacks_sample *samples;
    size_t sample_count;
    size_t sample_cap;
    struct lookup sample_lookup;

    uint64_t total;   /* weights that were added */
    uint64_t dropped; /* weights that were not */
};

/* stacks_deinit frees everything; an all-zero struct stacks is an empty one. */
void stacks_deinit(struct stacks *stacks);

/* stacks_add counts a sample.
 *
 * frames: `count` addresses, the innermost first; at least 1.
 */
void stacks_add(struct stacks *stacks, const uint64_t *frames, size_t count, uint32_t label,
                uint32_t thread, uint64_t weight);

/* stacks_read writes the addresses of a stack, the innermost first.
 *
 * Returns: how many, at most max.
 */
size_t stacks_read(const struct stacks *stacks, uint32_t leaf, uint64_t *ret_frames, size_t max);

#endif
