/* SPDX-License-Identifier: MIT
 *
 * recorder.h - a ring of the loop's last events: turns, callbacks, waits, writes.
 *
 * An event is two words: when, by the processor's counter, with its kind; and a task's id with what
 * else there is. It is written by the loop's thread alone, and read by any: a reader copies the
 * ring and drops what may have been overwritten meanwhile.
 *
 * Flow:    recorder_start -> recorder_add from the loop's thread -> recorder_copy, by any thread
 * Memory:  16 bytes an event; pages that were never written cost nothing. Rings are never freed.
 * Thread:  the loop's, unless a function says otherwise.
 */
#ifndef TOQ_CORE_TASK_RECORDER_H
#define TOQ_CORE_TASK_RECORDER_H

#include <stdatomic.h>

#include "core/base/ticks.h"

#define RECORDER_RINGS_MAX    4
#define RECORDER_THREAD_BYTES 16
#define RECORDER_ID_BITS      36 /* of an id: it comes again after days */
#define RECORDER_MORE_BITS    (64 - RECORDER_ID_BITS)

/* What `more` is, is said here. A literal is its distance from the start of the program. */
enum recorder_kind {
    RECORDER_NONE,
    RECORDER_START,  /* of a task */
    RECORDER_END,    /* of a task; its label */
    RECORDER_ENTER,  /* a callback begins; its label. Id 0: one of no task */
    RECORDER_LEAVE,  /* the last callback that began is over */
    RECORDER_PARK,   /* it begins to wait; the state, a literal */
    RECORDER_WHAT,   /* behind RECORDER_PARK: the statement or command, a literal */
    RECORDER_RESUME, /* what it waited for is there */
    RECORDER_WRITE,  /* bytes went to a socket; how many */
    RECORDER_POLL,   /* the turn is over; for how many us the poll before it has slept */
};

struct recorder_event {
    uint64_t ticks; /* the lower 56 bits of the counter, above the kind */
    uint64_t value; /* what else, above the id */
};

struct recorder_slot {
    _Atomic uint64_t ticks;
    _Atomic uint64_t value;
};

struct recorder_ring {
    struct recorder_slot *slots;
    uint64_t mask;
    _Atomic uint64_t count;             /* of events ever written */
    int tid;                            /* of the loop's thread */
    char thread[RECORDER_THREAD_BYTES]; /* its name */
    const char *name;                   /* a literal */
};

/* The calling thread's ring; NULL: its events are not recorded. */
extern _Thread_local struct recorder_ring *recorder_own;

/* recorder_start begins to record the events of the calling thread.
 *
 * name: a literal. count: events that are kept, a power of two.
 * Returns: 0; UV_ENOMEM: nothing is recorded.
 */
MUST_USE int recorder_start(const char *name, uint64_t count);

/* recorder_stop ends that; the ring stays, for whoever still reads it. */
void recorder_stop(void);

/* recorder_add_at records an event; nothing where none are.
 *
 * ticks: ticks_now's. more: what the kind says, of which RECORDER_MORE_BITS are kept.
 */
static inline void recorder_add_at(uint64_t ticks, enum recorder_kind kind, uint64_t id,
                                   uint64_t more)
{
    struct recorder_ring *ring = recorder_own;
    const uint64_t count = atomic_load_explicit(&ring->count, memory_order_relaxed);
    struct recorder_slot *slot = &ring->slots[count & ring->mask];
    const uint64_t low_id = id & ((UINT64_C(1) << RECORDER_ID_BITS) - 1);
    atomic_store_explicit(&slot->ticks, ticks << 8 | kind, memory_order_relaxed);
    atomic_store_explicit(&slot->value, more << RECORDER_ID_BITS | low_id, memory_order_relaxed);
    atomic_store_explicit(&ring->count, count + 1, memory_order_release);
}

/* recorder_add is recorder_add_at, now. */
static inline void recorder_add(enum recorder_kind kind, uint64_t id, uint64_t more)
{
    if (UNLIKELY(recorder_own != NULL)) {
        recorder_add_at(ticks_now(), kind, id, more);
    }
}

/* recorder_literal makes what an event keeps of a literal, or of a text that literal_keep keeps; 0
 * for NULL. Another text is kept as "?".
 *
 * Thread: any.
 */
uint64_t recorder_literal(const char *literal);

/* recorder_text is the literal again; NULL for 0. Thread: any. */
const char *recorder_text(uint64_t more);

/* recorder_ring_at lists the rings. Returns: NULL past the last. Thread: any, signal. */
const struct recorder_ring *recorder_ring_at(size_t position);

/* recorder_copy copies the latest events of a ring, the oldest first.
 *
 * events: room for `max`.
 * Returns: how many.
 * Thread:  any, signal.
 */
size_t recorder_copy(const struct recorder_ring *ring, struct recorder_event *events, size_t max);

/* Why a recording is to be kept. */
enum recorder_reason {
    RECORDER_HELD,   /* a callback holds the work loop */
    RECORDER_SLOW,   /* a request took long */
    RECORDER_ERRORS, /* many answers of 5xx in a second */
    RECORDER_QUIT,   /* SIGQUIT */
    RECORDER_REASONS,
};

/* recorder_trigger asks for the recording to be kept. Thread: any, signal. */
void recorder_trigger(enum recorder_reason reason);

/* recorder_take_trigger tells whether that was asked since the last call. Thread: any. */
bool recorder_take_trigger(enum recorder_reason reason);

/* recorder_reason_name is a word for a reason; a literal. Thread: any. */
const char *recorder_reason_name(enum recorder_reason reason);

/* The counter beside the clock. */
struct recorder_clock {
    uint64_t ticks;
    uint64_t now_ns; /* clock_now_ns */
    double ns_per_tick;
};

/* recorder_read_clock compares them now, and finds the counter's rate since recorder_start.
 *
 * Thread: any.
 */
struct recorder_clock recorder_read_clock(void);

/* recorder_ns is when an event was, by clock_now_ns. Thread: any. */
uint64_t recorder_ns(const struct recorder_clock *clock, const struct recorder_event *event);

#endif
