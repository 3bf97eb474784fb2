/* SPDX-License-Identifier: MIT
 *
 * exemplar.c - a sequence number and words for each bucket: odd while it is written.
 */
#include "core/telemetry/exemplar.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WORDS     (sizeof(struct exemplar) / sizeof(uint64_t))
#define TRIES_MAX 8

_Static_assert(sizeof(struct exemplar) % sizeof(uint64_t) == 0, "an exemplar is whole words");

struct place {
    _Atomic uint64_t sequence; /* 0: nothing is in it yet */
    _Atomic uint64_t words[WORDS];
};

struct metric_exemplars {
    struct place places[METRIC_BUCKETS_MAX + 1];
};

static struct metric_exemplars *get_exemplars(const struct metric_histogram *h)
{
    return __atomic_load_n(&h->exemplars, __ATOMIC_ACQUIRE);
}

static struct metric_exemplars *make_exemplars(struct metric_histogram *h)
{
    struct metric_exemplars *exemplars = get_exemplars(h);
    if (exemplars == NULL) {
        exemplars = calloc(1, sizeof(*exemplars));
        __atomic_store_n(&h->exemplars, exemplars, __ATOMIC_RELEASE);
    }
    return exemplars;
}

static void put(struct place *place, const struct exemplar *exemplar)
{
    uint64_t words[WORDS];
    memcpy(words, exemplar, sizeof(words));
    const uint64_t sequence = atomic_load_explicit(&place->sequence, memory_order_relaxed);
    atomic_store_explicit(&place->sequence, sequence + 1, memory_order_relaxed);
    for (size_t i = 0; i < WORDS; i++) {
        atomic_store_explicit(&place->words[i], words[i], memory_order_release);
    }
    atomic_store_explicit(&place->sequence, sequence + 2, memory_order_release);
}

void exemplar_note(struct metric_histogram *h, double value, const struct trace_context *trace,
                   uint64_t wall_ns)
{
    struct metric_exemplars *exemplars = make_exemplars(h);
    if (exemplars == NULL) {
        return;
    }
    struct exemplar exemplar = {.value = value, .wall_ns = wall_ns};
    memcpy(exemplar.trace_id, trace->trace_id, sizeof(exemplar.trace_id));
    memcpy(exemplar.span_id, trace->span_id, sizeof(exemplar.span_id));
    put(&exemplars->places[metric_bucket(h, value)], &exemplar);
}

bool exemplar_copy(const struct metric_histogram *h, size_t bucket, struct exemplar *ret_exemplar)
{
    struct metric_exemplars *exemplars = get_exemplars(h);
    for (int i = 0; exemplars != NULL && i < TRIES_MAX; i++) {
        struct place *place = &exemplars->places[bucket];
        uint64_t words[WORDS];
        const uint64_t before = atomic_load_explicit(&place->sequence, memory_order_acquire);
        for (size_t k = 0; k < WORDS; k++) {
            words[k] = atomic_load_explicit(&place->words[k], memory_order_acquire);
        }
        if (before % 2 == 0 &&
            atomic_load_explicit(&place->sequence, memory_order_relaxed) == before) {
            memcpy(ret_exemplar, words, sizeof(words));
            return before != 0;
        }
    }
    return false;
}
