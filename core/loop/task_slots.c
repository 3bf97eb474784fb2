/* SPDX-License-Identifier: MIT
 *
 * task_slots.c - chunks of slots, and the sequence number of each.
 */
#include "core/loop/task_slots.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop/task.h"

#define CHUNK_SLOTS 256u
#define CHUNKS_MAX  16384u /* four million tasks */
#define TRIES_MAX   64     /* of a copy; the writer may have lost its processor in between */
#define NO_SLOT     UINT32_MAX

struct slot {
    _Atomic uint32_t sequence; /* odd: it is being written */
    _Atomic uint32_t label;
    _Atomic uint64_t id; /* 0: nobody has the slot */
    _Atomic(const char *) kind;
    _Atomic(const char *) state;
    _Atomic(const void *) handler;
    _Atomic uint64_t start_ns;
    _Atomic uint64_t state_ns;
    _Atomic(const void *) await_stack[TASK_AWAIT_FRAMES_MAX];
    _Atomic uint32_t await_depth;
    /* the loop's own: */
    uint32_t next_free;
    struct task *task;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct slot) == TASK_SLOT_BYTES, "a slot is three cache lines");

static _Atomic(struct slot *) chunks[CHUNKS_MAX];
static _Atomic uint32_t slot_count;
static uint32_t first_free = NO_SLOT; /* the one that was given back last, which is in the cache */

static struct slot *slot_at(uint32_t index)
{
    struct slot *chunk = atomic_load_explicit(&chunks[index / CHUNK_SLOTS], memory_order_acquire);
    return &chunk[index % CHUNK_SLOTS];
}

/* --- the loop's side ----------------------------------------------------------------------------- */

static uint32_t add_slot(void)
{
    const uint32_t index = atomic_load_explicit(&slot_count, memory_order_relaxed);
    if (index % CHUNK_SLOTS == 0) {
        const uint32_t number = index / CHUNK_SLOTS;
        struct slot *chunk = NULL;
        if (number < CHUNKS_MAX) {
            chunk = aligned_alloc(_Alignof(struct slot), CHUNK_SLOTS * sizeof(*chunk));
        }
        if (chunk == NULL) {
            return NO_SLOT;
        }
        memset(chunk, 0, CHUNK_SLOTS * sizeof(*chunk));
        atomic_store_explicit(&chunks[number], chunk, memory_order_release);
    }
    atomic_store_explicit(&slot_count, index + 1, memory_order_release);
    return index;
}

uint32_t task_slots_take(struct task *task)
{
    const bool is_new = UNLIKELY(first_free == NO_SLOT);
    const uint32_t index = is_new ? add_slot() : first_free;
    if (UNLIKELY(index == NO_SLOT)) {
        return NO_SLOT;
    }
    struct slot *slot = slot_at(index);
    if (!is_new) {
        first_free = slot->next_free;
    }
    slot->task = task;
    return index;
}

/* Between open_slot and close_slot a slot is written: each word by a release store, which no reader can see
 * without the odd sequence number. */
static void open_slot(struct slot *slot)
{
    const uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_relaxed);
}

static void close_slot(struct slot *slot)
{
    const uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    atomic_store_explicit(&slot->sequence, sequence + 1, memory_order_release);
}

#define PUT(slot, task, field)                                                                     \
    atomic_store_explicit(&(slot)->field, (task)->field, memory_order_release)

static void put_state(struct slot *slot, const struct task *task)
{
    PUT(slot, task, state);
    PUT(slot, task, state_ns);
    PUT(slot, task, await_depth);
    for (size_t i = 0; i < task->await_depth; i++) {
        PUT(slot, task, await_stack[i]);
    }
}

void task_slots_give(uint32_t index)
{
    struct slot *slot = slot_at(index);
    open_slot(slot);
    atomic_store_explicit(&slot->id, 0, memory_order_release);
    close_slot(slot);
    slot->task = NULL;
    slot->next_free = first_free;
    first_free = index;
}

struct task *task_slots_task(uint32_t index)
{
    return index < task_slots_count() ? slot_at(index)->task : NULL;
}

void task_slots_publish(uint32_t index, const struct task *task)
{
    struct slot *slot = slot_at(index);
    open_slot(slot);
    PUT(slot, task, id);
    PUT(slot, task, kind);
    PUT(slot, task, handler);
    PUT(slot, task, start_ns);
    PUT(slot, task, label);
    put_state(slot, task);
    close_slot(slot);
}

void task_slots_publish_server(uint32_t index, const struct task *task)
{
    struct slot *slot = slot_at(index);
    open_slot(slot);
    PUT(slot, task, kind);
    PUT(slot, task, label);
    PUT(slot, task, handler);
    close_slot(slot);
}

void task_slots_publish_state(uint32_t index, const struct task *task)
{
    struct slot *slot = slot_at(index);
    open_slot(slot);
    put_state(slot, task);
    close_slot(slot);
}

/* --- everybody's side ---------------------------------------------------------------------------- */

uint32_t task_slots_count(void)
{
    return atomic_load_explicit(&slot_count, memory_order_acquire);
}

#define GET(slot, facts, field)                                                                    \
    (facts)->field = atomic_load_explicit(&(slot)->field, memory_order_acquire)

/* read_slot copies a slot as it stands, which may be between two tasks. */
static void read_slot(struct slot *slot, struct task_facts *facts)
{
    GET(slot, facts, id);
    GET(slot, facts, kind);
    GET(slot, facts, state);
    GET(slot, facts, handler);
    GET(slot, facts, start_ns);
    GET(slot, facts, state_ns);
    GET(slot, facts, label);
    const uint32_t depth = atomic_load_explicit(&slot->await_depth, memory_order_acquire);
    facts->await_depth = (uint8_t)(depth < TASK_AWAIT_FRAMES_MAX ? depth : TASK_AWAIT_FRAMES_MAX);
    for (size_t i = 0; i < facts->await_depth; i++) {
        GET(slot, facts, await_stack[i]);
    }
}

bool task_slots_copy(uint32_t index, struct task_facts *ret_facts)
{
    struct slot *slot = slot_at(index);
    for (int i = 0; i < TRIES_MAX; i++) {
        const uint32_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        if (before % 2 == 0) {
            read_slot(slot, ret_facts);
            if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) == before) {
                return ret_facts->id != 0;
            }
        }
        (void)sched_yield();
    }
    return false;
}
