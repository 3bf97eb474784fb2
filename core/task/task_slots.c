/* SPDX-License-Identifier: MIT
 *
 * task_slots.c - chunks of slots, and the sequence number of each.
 */
#include "core/task/task_slots.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/task/task.h"
#include "core/telemetry/trace.h"

#define CHUNK_SLOTS 256u
#define CHUNKS_MAX  16384u /* four million tasks */
#define TRIES_MAX   64     /* of a copy; the writer may have been preempted meanwhile */
#define PEEKS_MAX   4      /* where waiting is no use: the reader may have interrupted the writer */
#define NO_SLOT     UINT32_MAX

#define WORDS(type) (sizeof(type) / sizeof(uint64_t))

struct slot {
    _Atomic uint32_t sequence; /* odd: it is being written */
    _Atomic uint32_t label;
    _Atomic uint64_t id; /* 0: the slot is free */
    _Atomic(const char *) kind;
    _Atomic(const char *) state;
    _Atomic(const void *) handler;
    _Atomic uint64_t start_ns;
    _Atomic uint64_t state_ns;
    _Atomic uint32_t await_depth;
    _Atomic uint32_t change_count; /* all; the first TASK_CHANGES_MAX of them are kept */
    _Atomic uint64_t cpu_ns;       /* by its last callback */
    _Atomic uint64_t span_id;      /* 0: none, and the rest of the span is an earlier task's */
    /* not shown: */
    struct task *task;
    uint32_t next_free; /* as task_self.first_free */
    /* shown; a task that never waits and is in nobody's trace writes nothing from here on */
    _Atomic uint32_t trace_flags;
    _Atomic uint64_t trace_id[2];
    _Atomic uint64_t parent_id;
    _Atomic(const void *) await_stack[TASK_AWAIT_FRAMES_MAX];
    struct {
        _Atomic uint64_t when_ns;
        _Atomic(const char *) state;
        _Atomic uint64_t what;
    } changes[TASK_CHANGES_MAX];
    _Atomic uint64_t costs_id; /* of the task whose costs follow; an earlier one's do not count */
    _Atomic uint64_t costs[WORDS(struct task_costs)]; /* but for its CPU time */
    _Atomic uint64_t peer_id;                         /* as costs_id */
    _Atomic uint64_t peer[WORDS(struct task_peer)];
    _Atomic uint64_t wakers_id; /* as costs_id */
    _Atomic uint64_t wakers[WORDS(struct task_wakers)];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct slot) == TASK_SLOT_BYTES, "a slot is eleven cache lines");
_Static_assert(offsetof(struct slot, trace_id) <= 128, "of one that never waits it is two");
_Static_assert(sizeof(struct task_costs) % 8 == 0 && sizeof(struct task_peer) % 8 == 0, "words");
_Static_assert(sizeof(struct task_wakers) % 8 == 0, "words");
_Static_assert(sizeof(struct task_change) == 24, "sixteen of them fit");

/* A chunk's slots are all one thread's. */
static _Atomic(struct slot *) chunks[CHUNKS_MAX];
static struct task_thread *owners[CHUNKS_MAX]; /* written before the chunk counts */
static _Atomic uint32_t chunk_count;
static struct task_thread *threads; /* all that ever ran tasks; others may still look at them */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* held to add a chunk or a thread */

static struct slot *slot_at(uint32_t index)
{
    struct slot *chunk = atomic_load_explicit(&chunks[index / CHUNK_SLOTS], memory_order_acquire);
    return &chunk[index % CHUNK_SLOTS];
}

/* --- the owner's side --- */

struct task_thread *task_slots_thread(void)
{
    struct task_thread *thread = task_self.shown == NULL ? malloc(sizeof(*thread)) : NULL;
    if (thread != NULL) {
        atomic_init(&thread->slot, NO_SLOT);
        (void)pthread_mutex_lock(&lock);
        thread->next = threads;
        threads = thread;
        (void)pthread_mutex_unlock(&lock);
        task_self.shown = thread;
    }
    return task_self.shown;
}

static struct slot *make_chunk(void)
{
    struct slot *chunk = aligned_alloc(_Alignof(struct slot), CHUNK_SLOTS * sizeof(*chunk));
    if (chunk != NULL) {
        memset(chunk, 0, CHUNK_SLOTS * sizeof(*chunk));
    }
    return chunk;
}

/* add_chunk gives this thread a chunk of its own.
 *
 * Returns: false when memory is missing. */
static bool add_chunk(void)
{
    struct task_thread *thread = task_slots_thread();
    struct slot *chunk = thread == NULL ? NULL : make_chunk();
    (void)pthread_mutex_lock(&lock);
    const uint32_t number = atomic_load_explicit(&chunk_count, memory_order_relaxed);
    const bool is_added = chunk != NULL && number < CHUNKS_MAX;
    if (is_added) {
        owners[number] = thread;
        atomic_store_explicit(&chunks[number], chunk, memory_order_release);
        atomic_store_explicit(&chunk_count, number + 1, memory_order_release);
        task_self.next_slot = number * CHUNK_SLOTS;
        task_self.end_slot = task_self.next_slot + CHUNK_SLOTS;
    }
    (void)pthread_mutex_unlock(&lock);
    if (!is_added) {
        free(chunk);
    }
    return is_added;
}

/* A thread takes the slot that was given back last, which is in the cache, or the next one of its
 * newest chunk. */
uint32_t task_slots_take(struct task *task)
{
    uint32_t index;
    if (LIKELY(task_self.first_free != 0)) {
        index = task_self.first_free - 1;
        task_self.first_free = slot_at(index)->next_free;
    } else if (task_self.next_slot < task_self.end_slot || add_chunk()) {
        index = task_self.next_slot++;
    } else {
        return NO_SLOT;
    }
    slot_at(index)->task = task;
    return index;
}

/* Between open_slot and close_slot a slot is written: each word by a release store, which no reader
 * can see without the odd sequence number. */
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
    slot->next_free = task_self.first_free;
    task_self.first_free = index + 1;
}

struct task *task_slots_task(uint32_t index)
{
    return index < task_slots_count() && owners[index / CHUNK_SLOTS] == task_self.shown
               ? slot_at(index)->task
               : NULL;
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
    atomic_store_explicit(&slot->change_count, 0, memory_order_release);
    atomic_store_explicit(&slot->cpu_ns, 0, memory_order_release);
    atomic_store_explicit(&slot->span_id, 0, memory_order_release);
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

/* put_words writes a struct that belongs to the slot's task. */
static void put_words(struct slot *slot, const void *data, size_t count, _Atomic uint64_t *words,
                      _Atomic uint64_t *id)
{
    open_slot(slot);
    for (size_t i = 0; i < count; i++) {
        uint64_t word;
        memcpy(&word, (const char *)data + i * sizeof(word), sizeof(word));
        atomic_store_explicit(&words[i], word, memory_order_release);
    }
    const uint64_t own_id = atomic_load_explicit(&slot->id, memory_order_relaxed);
    atomic_store_explicit(id, own_id, memory_order_release);
    close_slot(slot);
}

/* One word, which is the task's own before and afterwards: readers need no sequence number. */
void task_slots_publish_cpu(uint32_t index, uint64_t cpu_ns)
{
    atomic_store_explicit(&slot_at(index)->cpu_ns, cpu_ns, memory_order_release);
}

void task_slots_publish_costs(uint32_t index, const struct task_costs *costs)
{
    struct slot *slot = slot_at(index);
    put_words(slot, costs, WORDS(*costs), slot->costs, &slot->costs_id);
    task_slots_publish_cpu(index, costs->cpu_ns);
}

void task_slots_publish_wakers(uint32_t index, const struct task_wakers *wakers)
{
    struct slot *slot = slot_at(index);
    put_words(slot, wakers, WORDS(*wakers), slot->wakers, &slot->wakers_id);
}

void task_slots_publish_peer(uint32_t index, const struct task_peer *peer)
{
    struct slot *slot = slot_at(index);
    put_words(slot, peer, WORDS(*peer), slot->peer, &slot->peer_id);
}

uint32_t task_slots_change_count(uint32_t index)
{
    return atomic_load_explicit(&slot_at(index)->change_count, memory_order_relaxed);
}

void task_slots_add_change(uint32_t index, const struct task_change *change)
{
    struct slot *slot = slot_at(index);
    const uint32_t count = atomic_load_explicit(&slot->change_count, memory_order_relaxed);
    open_slot(slot);
    if (count < TASK_CHANGES_MAX) {
        atomic_store_explicit(&slot->changes[count].when_ns, change->when_ns, memory_order_release);
        atomic_store_explicit(&slot->changes[count].state, change->state, memory_order_release);
        atomic_store_explicit(&slot->changes[count].what, change->number, memory_order_release);
    }
    atomic_store_explicit(&slot->change_count, count + (count < UINT32_MAX), memory_order_release);
    close_slot(slot);
}

void task_slots_publish_span(uint32_t index, const struct task_span *span)
{
    struct slot *slot = slot_at(index);
    open_slot(slot);
    PUT(slot, span, trace_id[0]);
    PUT(slot, span, trace_id[1]);
    PUT(slot, span, span_id);
    PUT(slot, span, parent_id);
    atomic_store_explicit(&slot->trace_flags, span->flags, memory_order_release);
    close_slot(slot);
}

/* --- every thread's side --- */

uint32_t task_slots_count(void)
{
    return atomic_load_explicit(&chunk_count, memory_order_acquire) * CHUNK_SLOTS;
}

#define GET(slot, facts, field)                                                                    \
    (facts)->field = atomic_load_explicit(&(slot)->field, memory_order_acquire)

/* get_words copies a struct; zeros when it belongs to an earlier task. */
static void get_words(_Atomic uint64_t *words, _Atomic uint64_t *id, uint64_t own_id, void *data,
                      size_t count)
{
    const bool is_own = atomic_load_explicit(id, memory_order_acquire) == own_id;
    for (size_t i = 0; i < count; i++) {
        const uint64_t word = is_own ? atomic_load_explicit(&words[i], memory_order_acquire) : 0;
        memcpy((char *)data + i * sizeof(word), &word, sizeof(word));
    }
}

/* read_slot copies a slot as it stands, perhaps while it is written. */
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
    get_words(slot->costs, &slot->costs_id, facts->id, &facts->costs, WORDS(facts->costs));
    facts->costs.cpu_ns = atomic_load_explicit(&slot->cpu_ns, memory_order_acquire);
    get_words(slot->peer, &slot->peer_id, facts->id, &facts->peer, WORDS(facts->peer));
    get_words(slot->wakers, &slot->wakers_id, facts->id, &facts->wakers, WORDS(facts->wakers));
}

/* correct_state: that a task begins to run again is not published. */
static void correct_state(uint32_t index, struct task_facts *facts)
{
    const struct task_thread *owner = owners[index / CHUNK_SLOTS];
    facts->is_running = atomic_load_explicit(&owner->slot, memory_order_relaxed) == index;
    if (facts->await_depth == 0 && facts->is_running) {
        facts->state = task_state_running;
    }
}

uint32_t task_slots_living(void)
{
    uint32_t living = 0;
    for (uint32_t i = 0, count = task_slots_count(); i < count; i++) {
        living += atomic_load_explicit(&slot_at(i)->id, memory_order_relaxed) != 0;
    }
    return living;
}

/* read_own_span makes the span that a task has without having asked for it. */
static void read_own_span(struct slot *slot, uint64_t id, struct task_span *span)
{
    struct task_peer peer;
    struct trace_ids ids;
    get_words(slot->peer, &slot->peer_id, id, &peer, WORDS(peer));
    if (id != 0 && peer.has_span != 0) {
        trace_own_ids(id, &ids);
        *span = (struct task_span){.trace_id = {ids.trace_id[0], ids.trace_id[1]},
                                   .span_id = ids.span_id,
                                   .flags = TRACE_RANDOM};
    }
}

static void read_span(struct slot *slot, uint64_t id, struct task_span *span)
{
    *span = (struct task_span){0};
    GET(slot, span, span_id);
    if (span->span_id != 0) {
        GET(slot, span, trace_id[0]);
        GET(slot, span, trace_id[1]);
        GET(slot, span, parent_id);
        span->flags = atomic_load_explicit(&slot->trace_flags, memory_order_acquire);
    } else {
        read_own_span(slot, id, span);
    }
}

static void read_trail(struct slot *slot, struct task_trail *trail)
{
    const uint32_t count = atomic_load_explicit(&slot->change_count, memory_order_acquire);
    trail->change_count = count < TASK_CHANGES_MAX ? count : TASK_CHANGES_MAX;
    trail->lost_count = count - trail->change_count;
    for (uint32_t i = 0; i < trail->change_count; i++) {
        GET(&slot->changes[i], &trail->changes[i], when_ns);
        GET(&slot->changes[i], &trail->changes[i], state);
        trail->changes[i].number =
            atomic_load_explicit(&slot->changes[i].what, memory_order_acquire);
    }
    read_span(slot, trail->facts.id, &trail->span);
}

/* copy_slot copies the facts, and the trail unless that is NULL. */
static bool copy_slot(uint32_t index, struct task_facts *ret_facts, struct task_trail *ret_trail)
{
    struct slot *slot = slot_at(index);
    for (int i = 0; i < TRIES_MAX; i++) {
        const uint32_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        if (before % 2 == 0) {
            read_slot(slot, ret_facts);
            if (ret_trail != NULL) {
                read_trail(slot, ret_trail);
            }
            if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) == before) {
                correct_state(index, ret_facts);
                return ret_facts->id != 0;
            }
        }
        (void)sched_yield();
    }
    return false;
}

bool task_slots_copy(uint32_t index, struct task_facts *ret_facts)
{
    return copy_slot(index, ret_facts, NULL);
}

bool task_slots_copy_trail(uint32_t index, struct task_trail *ret_trail)
{
    return copy_slot(index, &ret_trail->facts, ret_trail);
}

const char *task_trail_first(const struct task_trail *trail)
{
    return trail->facts.handler == NULL ? task_state_receiving : task_state_running;
}

void task_slots_copy_ids(uint32_t index, uint64_t id, struct trace_ids *ret_ids)
{
    *ret_ids = (struct trace_ids){0};
    if (id == 0 || index >= task_slots_count()) {
        return;
    }
    struct slot *slot = slot_at(index);
    for (int i = 0; i < PEEKS_MAX; i++) {
        struct task_span span;
        const uint32_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
        const uint64_t own_id = atomic_load_explicit(&slot->id, memory_order_acquire);
        read_span(slot, own_id, &span);
        if (before % 2 == 0 &&
            atomic_load_explicit(&slot->sequence, memory_order_relaxed) == before) {
            if (own_id == id && span.span_id != 0) {
                ret_ids->span_id = span.span_id;
                memcpy(ret_ids->trace_id, span.trace_id, sizeof(ret_ids->trace_id));
            }
            return;
        }
    }
}

bool task_slots_peek(uint32_t index, struct task_facts *ret_facts, struct task_span *ret_span)
{
    if (index >= task_slots_count()) {
        return false;
    }
    read_slot(slot_at(index), ret_facts);
    read_span(slot_at(index), ret_facts->id, ret_span);
    correct_state(index, ret_facts);
    return ret_facts->id != 0;
}
