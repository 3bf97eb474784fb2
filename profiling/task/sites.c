/* SPDX-License-Identifier: MIT
 *
 * sites.c - a hash table by open addressing without removal.
 */
#include "profiling/task/sites.h"

#include <stdlib.h>

#include "profiling/code/synthetic.h"

#define HASHED_FRAMES 6 /* the innermost ones tell most stacks apart */

_Static_assert(SITES_MAX <= UINT16_MAX, "a cell holds a position");

struct sites *sites_create(void)
{
    struct sites *sites = calloc(1, sizeof(*sites));
    if (sites != NULL) {
        sites->items[0].state = "other";
        sites->items[0].frames.state = synthetic_state("other");
        sites->items[0].frames.label = LABEL_OTHER;
        sites->count = 1;
    }
    return sites;
}

struct sites *sites_copy(const struct sites *sites)
{
    struct sites *copy = calloc(1, sizeof(*copy));
    if (copy != NULL) {
        memcpy(copy->items, sites->items, sites->count * sizeof(sites->items[0]));
        memcpy(copy->cells, sites->cells, sizeof(sites->cells));
        copy->count = sites->count;
        copy->dropped = sites->dropped;
    }
    return copy;
}

static size_t hash_facts(const struct task_facts *facts)
{
    uint64_t hash = (uintptr_t)facts->state ^ (uint64_t)facts->label << 40;
    const size_t depth = facts->await_depth < HASHED_FRAMES ? facts->await_depth : HASHED_FRAMES;
    for (size_t i = 0; i < depth; i++) {
        hash = (hash ^ (uintptr_t)facts->await_stack[i]) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return (size_t)(hash ^ hash >> 32);
}

static bool is_at(const struct site *site, const struct task_facts *facts)
{
    const struct task_frames *frames = &site->frames;
    return site->state == facts->state && frames->label == facts->label &&
           frames->handler == facts->handler && frames->await_depth == facts->await_depth &&
           memcmp(frames->await_stack, facts->await_stack,
                  facts->await_depth * sizeof(facts->await_stack[0])) == 0;
}

static struct site *add_site(struct sites *sites, size_t cell, const struct task_facts *facts)
{
    if (sites->count == SITES_MAX) {
        return NULL;
    }
    struct site *site = &sites->items[sites->count];
    site->state = facts->state;
    task_frames_from(facts, &site->frames);
    sites->cells[cell] = (uint16_t)sites->count;
    sites->count++;
    return site;
}

static struct site *find_or_add(struct sites *sites, const struct task_facts *facts)
{
    for (size_t cell = hash_facts(facts);; cell++) {
        cell %= SITES_CELLS;
        if (sites->cells[cell] == 0) {
            return add_site(sites, cell, facts);
        }
        struct site *site = &sites->items[sites->cells[cell]];
        if (is_at(site, facts)) {
            return site;
        }
    }
}

uint32_t sites_add(struct sites *sites, const struct task_facts *facts, uint64_t count, uint64_t ns)
{
    struct site *site = find_or_add(sites, facts);
    if (site == NULL) {
        sites->dropped += count;
        site = &sites->items[0];
    }
    site->count += count;
    site->ns += ns;
    return (uint32_t)(site - sites->items);
}

size_t sites_stack(const struct site *site, uint64_t *ret_addresses,
                   struct stacks_labels *ret_labels)
{
    *ret_labels = (struct stacks_labels){.label = site->frames.label, .state = site->state};
    return task_frames_list(&site->frames, ret_addresses);
}
