/* SPDX-License-Identifier: MIT
 *
 * sites.c - a hash table by open addressing, from which nothing is ever taken out.
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

/* Where a task is: as its own fields have it, or a copy of them. */
struct place {
    const char *state;
    const void *handler;
    const void *const *await_stack;
    uint32_t label;
    uint8_t await_depth;
};

#define PLACE_OF(task)                                                                             \
    ((struct place){(task)->state, (task)->handler, (task)->await_stack, (task)->label,            \
                    (task)->await_depth})

static size_t hash_place(const struct place *place)
{
    uint64_t hash = (uintptr_t)place->state ^ (uint64_t)place->label << 40;
    const size_t depth = place->await_depth < HASHED_FRAMES ? place->await_depth : HASHED_FRAMES;
    for (size_t i = 0; i < depth; i++) {
        hash = (hash ^ (uintptr_t)place->await_stack[i]) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return (size_t)(hash ^ hash >> 32);
}

static bool is_at(const struct site *site, const struct place *place)
{
    const struct task_frames *frames = &site->frames;
    return site->state == place->state && frames->label == place->label &&
           frames->handler == place->handler && frames->await_depth == place->await_depth &&
           memcmp(frames->await_stack, place->await_stack,
                  place->await_depth * sizeof(place->await_stack[0])) == 0;
}

static struct site *add_site(struct sites *sites, size_t cell, const struct place *place)
{
    if (sites->count == SITES_MAX) {
        return NULL;
    }
    struct site *site = &sites->items[sites->count];
    site->state = place->state;
    site->frames = (struct task_frames){
        .state = place->await_depth > 0 ? synthetic_state(place->state) : 0,
        .await_depth = place->await_depth,
        .handler = place->handler,
        .label = place->label,
    };
    memcpy(site->frames.await_stack, place->await_stack,
           place->await_depth * sizeof(place->await_stack[0]));
    sites->cells[cell] = (uint16_t)sites->count;
    sites->count++;
    return site;
}

static struct site *find_or_add(struct sites *sites, const struct place *place)
{
    for (size_t cell = hash_place(place);; cell++) {
        cell %= SITES_CELLS;
        if (sites->cells[cell] == 0) {
            return add_site(sites, cell, place);
        }
        struct site *site = &sites->items[sites->cells[cell]];
        if (is_at(site, place)) {
            return site;
        }
    }
}

static void add(struct sites *sites, const struct place *place, uint64_t count, uint64_t ns)
{
    struct site *site = find_or_add(sites, place);
    if (site == NULL) {
        sites->dropped += count;
        site = &sites->items[0];
    }
    site->count += count;
    site->ns += ns;
}

void sites_add(struct sites *sites, const struct task *task, uint64_t count, uint64_t ns)
{
    const struct place place = PLACE_OF(task);
    add(sites, &place, count, ns);
}

void sites_add_facts(struct sites *sites, const struct task_facts *facts, uint64_t count,
                     uint64_t ns)
{
    const struct place place = PLACE_OF(facts);
    add(sites, &place, count, ns);
}

size_t sites_stack(const struct site *site, uint64_t *ret_addresses,
                   struct stacks_labels *ret_labels)
{
    *ret_labels = (struct stacks_labels){.label = site->frames.label, .state = site->state};
    return task_frames_list(&site->frames, ret_addresses);
}
