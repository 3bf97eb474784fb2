/* SPDX-License-Identifier: MIT
 *
 * recorder.h - a ring of the loop's last events: turns, callbacks, waits, writes.
 *
 * An event is two words: its time, by the processor's counter, with its kind; and a task's id with
 * a detail. The loop's thread alone writes events, any thread reads them: a reader copies the ring
 * and drops what may have been overwritten meanwhile.
 *
 * Flow:    recorder_start -> recorder_add from the loop's thread -> recorder_copy, by any thread
 * Memory:  16 bytes an event; pages that were never written cost nothing. Rings are never freed.
 * Thread:  the loop's, unless a function says otherwise.
 */
#ifndef TOQ_CORE_TASK_RECORDER_H
#define TOQ_CORE_TASK_RECORDER_H

#include <stdatomic.h>

#include "core/base/ticks.h"
#include "core/task/task_self.h"

#define RECORDER_RINGS_MAX    4
#define RECORDER_THREAD_BYTES 16
#define RECORDER_ID_BITS      36 /* the lower bits of an id, which repeat after days */
#define RECORDER_MORE_BITS    (64 - RECORDER_ID_BITS)

/* The kinds, and after the semicolon what `more` is. A literal is its distance from the start of
 * the program. */
enum recorder_kind {
    RECORDER_NONE,
    RECORDER_START,  /* of a task, before its first callback; 0 */
    RECORDER_END,    /* of a task, outside of its callbacks; its label */
    RECORDER_ENTER,  /* a callback begins, with id 0 one of no task; its label */
    RECORDER_LATE,   /* RECORDER_ENTER of a task that has ended before; its label */
    RECORDER_LEAVE,  /* the callback that began last is over; 0 */
    RECORDER_BEGIN,  /* RECORDER_START and RECORDER_ENTER; its label */
    RECORDER_FINISH, /* RECORDER_END and RECORDER_LEAVE; its label */
    RECORDER_PARK,   /* a task begins to wait; its state, a literal */
    RECORDER_WHAT,   /* follows RECORDER_PARK; the statement or command, a literal */
    RECORDER_RESUME, /* what the task waited for is there; 0 */
    RECORDER_WRITE,  /* bytes went to a socket; how many */
    RECORDER_POLL,   /* the turn is over; the us that the poll before it slept */
};

struct recorder_event {
    uint64_t ticks; /* the lower 56 bits of the counter, above the kind */
    uint64_t value; /* `more`, above the id */
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

/* recorder_start begins to record the events of the calling thread.
 *
 * name:    of the loop, a literal.
 * count:   events that are kept, a power of two.
 * Returns: 0; UV_ENOMEM: no memory, or RECORDER_RINGS_MAX rings exist: nothing is recorded.
 */
MUST_USE int recorder_start(const char *name, uint64_t count);

/* recorder_stop ends that; the ring stays, for threads that still read it. */
void recorder_stop(void);

/* recorder_add_at records an event of a thread that records: task_self.recorder is not NULL.
 *
 * ticks: ticks_now's.
 * more:  what the kind says; RECORDER_MORE_BITS of it are kept.
 */
static inline void recorder_add_at(uint64_t ticks, enum recorder_kind kind, uint64_t id,
                                   uint64_t more)
{
    struct recorder_ring *ring = task_self.recorder;
    const uint64_t count = atomic_load_explicit(&ring->count, memory_order_relaxed);
    struct recorder_slot *slot = &ring->slots[count & ring->mask];
    const uint64_t low_id = id & ((UINT64_C(1) << RECORDER_ID_BITS) - 1);
    atomic_store_explicit(&slot->ticks, ticks << 8 | kind, memory_order_relaxed);
    atomic_store_explicit(&slot->value, more << RECORDER_ID_BITS | low_id, memory_order_relaxed);
    atomic_store_explicit(&ring->count, count + 1, memory_order_release);
}

/* recorder_add records an event now; nothing on a thread that does not record. */
static inline void recorder_add(enum recorder_kind kind, uint64_t id, uint64_t more)
{
    if (UNLIKELY(task_self.recorder != NULL)) {
        recorder_add_at(ticks_now(), kind, id, more);
    }
}

/* recorder_literal is the `more` of a literal, or of a text of literal_keep; 0 for NULL, and "?" in
 * place of any other text.
 *
 * Thread: any.
 */
uint64_t recorder_literal(const char *literal);

/* recorder_text is the text of such a `more`; NULL for 0. Thread: any. */
const char *recorder_text(uint64_t more);

/* recorder_ring_at lists the rings. Returns: NULL past the last. Thread: any, signal. */
const struct recorder_ring *recorder_ring_at(size_t position);

/* recorder_copy copies up to `max` of the latest events of a ring, the oldest first.
 *
 * events:  room for `max`.
 * Returns: how many there are.
 * Thread:  any, signal.
 */
size_t recorder_copy(const struct recorder_ring *ring, struct recorder_event *events, size_t max);

/* Why the rings are saved as a recording. */
enum recorder_reason {
    RECORDER_HELD,   /* a callback holds the work loop */
    RECORDER_SLOW,   /* a request took long */
    RECORDER_ERRORS, /* many answers of 5xx in a second */
    RECORDER_QUIT,   /* SIGQUIT */
    RECORDER_REASONS,
};

/* recorder_trigger asks for the rings to be saved. Thread: any, signal. */
void recorder_trigger(enum recorder_reason reason);

/* recorder_take_trigger tells whether recorder_trigger was called since the last time.
 *
 * Thread: any.
 */
bool recorder_take_trigger(enum recorder_reason reason);

/* recorder_reason_name is a word for a reason, a literal: "slow". Thread: any. */
const char *recorder_reason_name(enum recorder_reason reason);

/* The processor's counter and the clock at one moment. */
struct recorder_clock {
    uint64_t ticks;
    uint64_t now_ns; /* clock_now_ns */
    double ns_per_tick;
};

/* recorder_read_clock reads both now, and finds the counter's rate since the first recorder_start.
 *
 * Thread: any.
 */
struct recorder_clock recorder_read_clock(void);

/* recorder_ns is the time of an event by clock_now_ns. Thread: any. */
uint64_t recorder_ns(const struct recorder_clock *clock, const struct recorder_event *event);

#endif
