/* SPDX-License-Identifier: MIT
 *
 * stacks.c - the trie and the counters of its leaves.
 */
#include "profiling/stacks.h"

#include <stdlib.h>

/* What lookup_find compares with. */
struct node_key {
    const struct stacks *stacks;
    struct stacks_node node;
};

struct sample_key {
    const struct stacks *stacks;
    struct stacks_sample sample;
};

void stacks_deinit(struct stacks *stacks)
{
    lookup_deinit(&stacks->node_lookup);
    lookup_deinit(&stacks->sample_lookup);
    free(stacks->nodes);
    free(stacks->samples);
    *stacks = (struct stacks){0};
}

static bool is_node(const void *key, uint32_t position)
{
    const struct node_key *wanted = key;
    const struct stacks_node *node = &wanted->stacks->nodes[position];
    return node->address == wanted->node.address && node->parent == wanted->node.parent;
}

static bool is_sample(const void *key, uint32_t position)
{
    const struct sample_key *wanted = key;
    const struct stacks_sample *sample = &wanted->stacks->samples[position];
    return sample->leaf == wanted->sample.leaf && sample->label == wanted->sample.label &&
           sample->thread == wanted->sample.thread;
}

static bool find_or_add_node(struct stacks *stacks, struct stacks_node node, uint32_t *ret_node)
{
    struct node_key key = {stacks, node};
    uint64_t hash = lookup_mix(node.address, node.parent);
    if (lookup_find(&stacks->node_lookup, hash, is_node, &key, ret_node)) {
        return true;
    }
    uint32_t position = (uint32_t)stacks->node_count;
    if (!array_grow(&stacks->nodes, position, &stacks->node_cap, sizeof(node), STACKS_NODES_MAX) ||
        !lookup_add(&stacks->node_lookup, hash, position)) {
        return false;
    }
    stacks->nodes[position] = node;
    stacks->node_count++;
    *ret_node = position;
    return true;
}

static bool count_sample(struct stacks *stacks, struct stacks_sample sample)
{
    struct sample_key key = {stacks, sample};
    uint64_t hash = lookup_mix(sample.leaf, (uint64_t)sample.thread << 32 | sample.label);
    uint32_t position;
    if (lookup_find(&stacks->sample_lookup, hash, is_sample, &key, &position)) {
        stacks->samples[position].count += sample.count;
        return true;
    }
    position = (uint32_t)stacks->sample_count;
    if (!array_grow(&stacks->samples, position, &stacks->sample_cap, sizeof(sample),
                    STACKS_SAMPLES_MAX) ||
        !lookup_add(&stacks->sample_lookup, hash, position)) {
        return false;
    }
    stacks->samples[position] = sample;
    stacks->sample_count++;
    return true;
}

void stacks_add(struct stacks *stacks, const uint64_t *frames, size_t count, uint32_t label,
                uint32_t thread, uint64_t weight)
{
    REQUIRE(count > 0);
    uint32_t node = STACKS_NO_PARENT;
    bool is_ok = true;
    for (size_t i = count; is_ok && i > 0; i--) {
        is_ok = find_or_add_node(stacks, (struct stacks_node){frames[i - 1], node}, &node);
    }
    struct stacks_sample sample = {.count = weight, .leaf = node, .label = label, .thread = thread};
    if (is_ok && count_sample(stacks, sample)) {
        stacks->total += weight;
    } else {
        stacks->dropped += weight;
    }
}

size_t stacks_read(const struct stacks *stacks, uint32_t leaf, uint64_t *ret_frames, size_t max)
{
    size_t count = 0;
    for (uint32_t at = leaf; at != STACKS_NO_PARENT && count < max; at = stacks->nodes[at].parent) {
        ret_frames[count++] = stacks->nodes[at].address;
    }
    return count;
}
