/* SPDX-License-Identifier: MIT
 *
 * stacks.c - the trie and the values of its leaves.
 */
#include "profiling/write/stacks.h"

#include <stdlib.h>

#include "core/base/hex.h"

/* What lookup_find compares with. */
struct node_key {
    const struct stacks *stacks;
    struct stacks_node node;
};

struct trace_key {
    const struct stacks *stacks;
    const struct trace_ids *ids;
};

struct sample_key {
    const struct stacks *stacks;
    uint32_t leaf;
    const struct stacks_labels *labels;
};

void stacks_deinit(struct stacks *stacks)
{
    lookup_deinit(&stacks->node_lookup);
    lookup_deinit(&stacks->sample_lookup);
    lookup_deinit(&stacks->trace_lookup);
    free(stacks->nodes);
    free(stacks->samples);
    free(stacks->traces);
    *stacks = (struct stacks){0};
}

static bool is_node(const void *key, uint32_t position)
{
    const struct node_key *wanted = key;
    const struct stacks_node *node = &wanted->stacks->nodes[position];
    return node->address == wanted->node.address && node->parent == wanted->node.parent;
}

/* Literals of different files may be equal texts at different places. */
static bool is_same_state(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_sample(const void *key, uint32_t position)
{
    const struct sample_key *wanted = key;
    const struct stacks_sample *sample = &wanted->stacks->samples[position];
    const struct stacks_labels *labels = &sample->labels;
    return sample->leaf == wanted->leaf && labels->label == wanted->labels->label &&
           labels->thread == wanted->labels->thread && labels->trace == wanted->labels->trace &&
           is_same_state(labels->state, wanted->labels->state) &&
           labels->size_bytes == wanted->labels->size_bytes;
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

static uint64_t hash_sample(uint32_t leaf, const struct stacks_labels *labels)
{
    const uint64_t numbers = lookup_mix(leaf, (uint64_t)labels->thread << 32 | labels->label);
    const uint64_t state = labels->state == NULL ? 0 : str_hash(str_from(labels->state));
    return lookup_mix(numbers,
                      state ^ (uint64_t)labels->size_bytes ^ (uint64_t)labels->trace << 32);
}

static struct stacks_sample *find_or_add_sample(struct stacks *stacks, uint32_t leaf,
                                                const struct stacks_labels *labels)
{
    const struct sample_key key = {stacks, leaf, labels};
    const uint64_t hash = hash_sample(leaf, labels);
    uint32_t position;
    if (lookup_find(&stacks->sample_lookup, hash, is_sample, &key, &position)) {
        return &stacks->samples[position];
    }
    position = (uint32_t)stacks->sample_count;
    if (!array_grow(&stacks->samples, position, &stacks->sample_cap, sizeof(*stacks->samples),
                    STACKS_SAMPLES_MAX) ||
        !lookup_add(&stacks->sample_lookup, hash, position)) {
        return NULL;
    }
    stacks->samples[position] = (struct stacks_sample){.leaf = leaf, .labels = *labels};
    stacks->sample_count++;
    return &stacks->samples[position];
}

uint32_t stacks_name(struct stacks *stacks, struct str name)
{
    if (name.len == 0) {
        return 0;
    }
    stacks->name_count = stacks->name_count == 0 ? 1 : stacks->name_count;
    name.len = name.len < STACKS_NAME_BYTES ? name.len : STACKS_NAME_BYTES - 1;
    for (uint32_t i = 1; i < stacks->name_count; i++) {
        if (str_equal(str_from(stacks->names[i]), name)) {
            return i;
        }
    }
    if (stacks->name_count == STACKS_NAMES_MAX) {
        return STACKS_NAMES_MAX - 1;
    }
    memcpy(stacks->names[stacks->name_count], name.ptr, name.len);
    return stacks->name_count++;
}

static bool is_trace(const void *key, uint32_t position)
{
    const struct trace_key *wanted = key;
    const struct trace_ids *ids = &wanted->stacks->traces[position].ids;
    return ids->span_id == wanted->ids->span_id && ids->trace_id[0] == wanted->ids->trace_id[0] &&
           ids->trace_id[1] == wanted->ids->trace_id[1];
}

static bool add_trace(struct stacks *stacks, const struct trace_ids *ids, uint64_t hash)
{
    if (!array_grow(&stacks->traces, stacks->trace_count, &stacks->trace_cap,
                    sizeof(*stacks->traces), STACKS_TRACES_MAX) ||
        !lookup_add(&stacks->trace_lookup, hash, (uint32_t)stacks->trace_count)) {
        return false;
    }
    struct stacks_trace *trace = &stacks->traces[stacks->trace_count++];
    *trace = (struct stacks_trace){.ids = *ids};
    hex_encode((const uint8_t *)ids->trace_id, sizeof(ids->trace_id), trace->trace_id);
    hex_encode((const uint8_t *)&ids->span_id, sizeof(ids->span_id), trace->span_id);
    return true;
}

uint32_t stacks_trace(struct stacks *stacks, const struct trace_ids *ids)
{
    if (ids->span_id == 0) {
        return 0;
    }
    const struct trace_key key = {stacks, ids};
    const uint64_t hash = lookup_mix(ids->span_id, ids->trace_id[0] ^ ids->trace_id[1]);
    uint32_t position;
    if (lookup_find(&stacks->trace_lookup, hash, is_trace, &key, &position)) {
        return position + 1;
    }
    return add_trace(stacks, ids, hash) ? (uint32_t)stacks->trace_count : 0;
}

const struct stacks_trace *stacks_trace_at(const struct stacks *stacks, uint32_t number)
{
    return number == 0 ? NULL : &stacks->traces[number - 1];
}

/* The trace of a sample of `from`, in `stacks`. */
static uint32_t carry_trace(struct stacks *stacks, const struct stacks *from, uint32_t trace)
{
    return trace == 0 ? 0 : stacks_trace(stacks, &stacks_trace_at(from, trace)->ids);
}

uint32_t stacks_add(struct stacks *stacks, const uint64_t *frames, size_t count,
                    const struct stacks_labels *labels, const int64_t *values)
{
    REQUIRE(count > 0);
    uint32_t node = STACKS_NO_PARENT;
    bool is_ok = true;
    for (size_t i = count < STACKS_FRAMES_MAX ? count : STACKS_FRAMES_MAX; is_ok && i > 0; i--) {
        is_ok = find_or_add_node(stacks, (struct stacks_node){frames[i - 1], node}, &node);
    }
    struct stacks_sample *sample = is_ok ? find_or_add_sample(stacks, node, labels) : NULL;
    if (sample == NULL) {
        stacks->dropped += (uint64_t)values[0];
        return STACKS_NO_SAMPLE;
    }
    for (size_t i = 0; i < STACKS_VALUES_MAX; i++) {
        sample->values[i] += values[i];
    }
    stacks->total += (uint64_t)values[0];
    return (uint32_t)(sample - stacks->samples);
}

void stacks_merge(struct stacks *stacks, const struct stacks *from, int64_t factor)
{
    for (size_t i = 0; i < from->sample_count; i++) {
        const struct stacks_sample *sample = &from->samples[i];
        uint64_t frames[STACKS_FRAMES_MAX];
        const size_t count = stacks_read(from, sample->leaf, frames, STACKS_FRAMES_MAX);
        struct stacks_labels labels = sample->labels;
        labels.thread = stacks_name(stacks, str_from(from->names[labels.thread]));
        labels.trace = carry_trace(stacks, from, labels.trace);
        int64_t values[STACKS_VALUES_MAX];
        for (size_t v = 0; v < STACKS_VALUES_MAX; v++) {
            values[v] = sample->values[v] * factor;
        }
        stacks_add(stacks, frames, count, &labels, values);
    }
    stacks->dropped += from->dropped;
}

/* Returns: NULL for an array of no items, and when memory is missing. */
static void *copy_array(const void *items, size_t count, size_t item_bytes)
{
    void *copy = count == 0 ? NULL : malloc(count * item_bytes);
    if (copy != NULL) {
        memcpy(copy, items, count * item_bytes);
    }
    return copy;
}

bool stacks_copy(const struct stacks *stacks, struct stacks *ret_copy)
{
    struct stacks *copy = ret_copy;
    copy->nodes = copy_array(stacks->nodes, stacks->node_count, sizeof(*stacks->nodes));
    copy->samples = copy_array(stacks->samples, stacks->sample_count, sizeof(*stacks->samples));
    copy->traces = copy_array(stacks->traces, stacks->trace_count, sizeof(*stacks->traces));
    if ((copy->nodes == NULL && stacks->node_count > 0) ||
        (copy->traces == NULL && stacks->trace_count > 0) ||
        (copy->samples == NULL && stacks->sample_count > 0)) {
        stacks_deinit(copy);
        return false;
    }
    copy->node_count = stacks->node_count;
    copy->node_cap = stacks->node_count;
    copy->sample_count = stacks->sample_count;
    copy->sample_cap = stacks->sample_count;
    copy->trace_count = stacks->trace_count;
    copy->trace_cap = stacks->trace_count;
    memcpy(copy->names, stacks->names, sizeof(copy->names));
    copy->name_count = stacks->name_count;
    copy->total = stacks->total;
    copy->dropped = stacks->dropped;
    return true;
}

size_t stacks_bytes(const struct stacks *stacks)
{
    return stacks->node_cap * sizeof(*stacks->nodes) +
           stacks->sample_cap * sizeof(*stacks->samples) +
           stacks->trace_cap * sizeof(*stacks->traces) +
           (stacks->node_lookup.cap + stacks->sample_lookup.cap + stacks->trace_lookup.cap) *
               sizeof(struct lookup_cell);
}

size_t stacks_read(const struct stacks *stacks, uint32_t leaf, uint64_t *ret_frames, size_t max)
{
    size_t count = 0;
    for (uint32_t at = leaf; at != STACKS_NO_PARENT && count < max; at = stacks->nodes[at].parent) {
        ret_frames[count++] = stacks->nodes[at].address;
    }
    return count;
}
