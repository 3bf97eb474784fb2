/* SPDX-License-Identifier: MIT
 *
 * contention.c - an open hash table that only grows. The thread that takes a free place writes the
 * stack there; another thread with the same stack adds without waiting for it, because the key
 * alone tells stacks apart. Of 4,096 stacks two share one of 64 bits once in 2 * 10^12 processes.
 */
#include "profiling/thread/contention.h"

#include <stdatomic.h>

#include "core/task/label.h"
#include "profiling/code/synthetic.h"

#define PROBES_MAX 128 /* places that a stack may be at */
/* Measured: of 502 stacks of the profiler's own these many have 99.99 % of the delay. */
#define PROFILER_RECORDS_MAX 256

static uint64_t hash_stack(const uint64_t *frames, size_t depth, uint32_t label)
{
    uint64_t hash = lookup_mix(depth, label);
    for (size_t i = 0; i < depth; i++) {
        hash = lookup_mix(hash, frames[i]);
    }
    return hash == 0 ? 1 : hash;
}

/* take_place makes a place the key's.
 *
 * Returns: true when it is, since now or before; *ret_is_new tells which.
 */
static bool take_place(struct contention_record *place, uint64_t key, bool *ret_is_new)
{
    uint64_t held = atomic_load_explicit(&place->key, memory_order_relaxed);
    *ret_is_new = held == 0 && atomic_compare_exchange_strong(&place->key, &held, key);
    return *ret_is_new || held == key;
}

static void write_stack(struct contention_record *record, const uint64_t *frames, size_t depth,
                        uint32_t label)
{
    record->label = label;
    record->depth = (uint32_t)depth;
    for (size_t i = 0; i < depth; i++) {
        record->frames[i] = frames[i];
    }
    atomic_store_explicit(&record->is_written, true, memory_order_release);
}

static bool is_known(const struct contention *table, uint64_t key)
{
    for (uint64_t i = 0; i < PROBES_MAX; i++) {
        const struct contention_record *place = &table->records[(key + i) % CONTENTION_RECORDS_MAX];
        const uint64_t held = atomic_load_explicit(&place->key, memory_order_relaxed);
        if (held == 0 || held == key) {
            return held == key;
        }
    }
    return false;
}

/* is_past_share tells whether a stack is new and one too many of the profiler's own. */
static bool is_past_share(struct contention *table, uint64_t key, uint32_t label)
{
    return label == LABEL_PROFILER && !is_known(table, key) &&
           atomic_fetch_add_explicit(&table->profiler_used, 1, memory_order_relaxed) >=
               PROFILER_RECORDS_MAX;
}

struct contention_record *contention_find(struct contention *table, const uint64_t *frames,
                                          size_t depth, uint32_t label)
{
    REQUIRE(depth > 0 && depth <= CONTENTION_FRAMES_MAX);
    const uint64_t unnamed = synthetic_route(label);
    uint64_t key = hash_stack(frames, depth, label);
    if (is_past_share(table, key, label)) {
        frames = &unnamed;
        depth = 1;
        key = hash_stack(frames, depth, label);
    }
    for (uint64_t i = 0; i < PROBES_MAX; i++) {
        struct contention_record *place = &table->records[(key + i) % CONTENTION_RECORDS_MAX];
        bool is_new;
        if (take_place(place, key, &is_new)) {
            if (is_new) {
                write_stack(place, frames, depth, label);
                atomic_fetch_add_explicit(&table->used, 1, memory_order_relaxed);
            }
            return place;
        }
    }
    atomic_fetch_add_explicit(&table->overflows, 1, memory_order_relaxed);
    return NULL;
}

void contention_add(struct contention_record *record, uint64_t count, uint64_t ns)
{
    atomic_fetch_add_explicit(&record->count, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&record->ns, ns, memory_order_relaxed);
}

void contention_read(const struct contention *table, struct stacks *stacks)
{
    for (size_t i = 0; i < CONTENTION_RECORDS_MAX; i++) {
        const struct contention_record *record = &table->records[i];
        if (!atomic_load_explicit(&record->is_written, memory_order_acquire)) {
            continue;
        }
        const struct stacks_labels labels = {.label = record->label};
        const int64_t values[STACKS_VALUES_MAX] = {
            (int64_t)atomic_load_explicit(&record->count, memory_order_relaxed),
            (int64_t)atomic_load_explicit(&record->ns, memory_order_relaxed),
        };
        stacks_add(stacks, record->frames, record->depth, &labels, values);
    }
}
