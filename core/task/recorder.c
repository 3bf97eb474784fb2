/* SPDX-License-Identifier: MIT
 *
 * recorder.c - the rings of the threads, and the calibration of the processor's counter.
 */
#include "core/task/recorder.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/clock.h"

#define TICKS_BITS 56

extern const char __executable_start[]; /* the linker's, as _end is */
extern const char _end[];

static const char elsewhere[] = "?"; /* for a text that is not in the program's image */

static _Atomic(struct recorder_ring *) rings[RECORDER_RINGS_MAX];
static _Atomic uint64_t start_ticks; /* the counter and the clock when the first ring began */
static _Atomic uint64_t start_ns;
static atomic_bool triggers[RECORDER_REASONS];

static struct recorder_slot *map_slots(uint64_t count)
{
    const size_t bytes = count * sizeof(struct recorder_slot);
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    /* cppcheck-suppress invalidFunctionArg ; -1 is what mmap(2) wants beside MAP_ANONYMOUS */
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    return memory;
}

int recorder_start(const char *name, uint64_t count)
{
    REQUIRE(count > 0 && (count & (count - 1)) == 0);
    struct recorder_ring *ring = calloc(1, sizeof(*ring));
    struct recorder_slot *slots = ring == NULL ? NULL : map_slots(count);
    if (slots == NULL) {
        free(ring);
        return UV_ENOMEM;
    }
    *ring =
        (struct recorder_ring){.slots = slots, .mask = count - 1, .tid = gettid(), .name = name};
    (void)pthread_getname_np(pthread_self(), ring->thread, sizeof(ring->thread));
    uint64_t none = 0;
    if (atomic_compare_exchange_strong(&start_ns, &none, clock_now_ns())) {
        atomic_store(&start_ticks, ticks_now());
    }
    for (size_t i = 0; i < RECORDER_RINGS_MAX; i++) {
        struct recorder_ring *empty = NULL;
        if (atomic_compare_exchange_strong(&rings[i], &empty, ring)) {
            task_self.recorder = ring;
            return 0;
        }
    }
    (void)munmap(slots, count * sizeof(*slots));
    free(ring);
    return UV_ENOMEM;
}

void recorder_stop(void)
{
    task_self.recorder = NULL;
}

uint64_t recorder_literal(const char *literal)
{
    if (literal == NULL) {
        return 0;
    }
    const bool is_ours = literal >= __executable_start && literal < _end;
    return (uint64_t)((is_ours ? literal : elsewhere) - __executable_start);
}

const char *recorder_text(uint64_t more)
{
    return more == 0 ? NULL : __executable_start + more;
}

const struct recorder_ring *recorder_ring_at(size_t position)
{
    return position < RECORDER_RINGS_MAX ? atomic_load(&rings[position]) : NULL;
}

size_t recorder_copy(const struct recorder_ring *ring, struct recorder_event *events, size_t max)
{
    const uint64_t end = atomic_load_explicit(&ring->count, memory_order_acquire);
    const uint64_t kept = ring->mask + 1;
    const uint64_t wanted = max < kept ? max : kept;
    const uint64_t begin = end > wanted ? end - wanted : 0;
    for (uint64_t i = begin; i < end; i++) {
        struct recorder_slot *slot = &ring->slots[i & ring->mask];
        events[i - begin].ticks = atomic_load_explicit(&slot->ticks, memory_order_acquire);
        events[i - begin].value = atomic_load_explicit(&slot->value, memory_order_acquire);
    }
    /* events that were, or are being, written meanwhile lie in the places of the oldest */
    const uint64_t written = atomic_load_explicit(&ring->count, memory_order_acquire) + 1;
    const uint64_t valid = written > kept ? written - kept : 0;
    const uint64_t first = valid > begin ? valid : begin;
    const size_t count = first < end ? (size_t)(end - first) : 0;
    for (size_t i = 0; first > begin && i < count; i++) {
        events[i] = events[i + (first - begin)];
    }
    return count;
}

struct recorder_clock recorder_read_clock(void)
{
    const uint64_t began_ns = atomic_load(&start_ns);
    const uint64_t began_ticks = atomic_load(&start_ticks);
    struct recorder_clock clock = {.ticks = ticks_now(), .now_ns = clock_now_ns()};
    const uint64_t ticks = clock.ticks - began_ticks;
    clock.ns_per_tick = ticks == 0 ? 0 : (double)(clock.now_ns - began_ns) / (double)ticks;
    return clock;
}

uint64_t recorder_ns(const struct recorder_clock *clock, const struct recorder_event *event)
{
    const uint64_t mask = (UINT64_C(1) << TICKS_BITS) - 1;
    const uint64_t ago_ticks = (clock->ticks - (event->ticks >> 8)) & mask;
    const bool is_future = ago_ticks > mask / 2; /* another processor's counter was read first */
    const uint64_t ago_ns = is_future ? 0 : (uint64_t)((double)ago_ticks * clock->ns_per_tick);
    return clock->now_ns - ago_ns;
}

void recorder_trigger(enum recorder_reason reason)
{
    atomic_store_explicit(&triggers[reason], true, memory_order_relaxed);
}

bool recorder_take_trigger(enum recorder_reason reason)
{
    return atomic_load_explicit(&triggers[reason], memory_order_relaxed) &&
           atomic_exchange(&triggers[reason], false);
}

const char *recorder_reason_name(enum recorder_reason reason)
{
    static const char *const names[RECORDER_REASONS] = {
        [RECORDER_HELD] = "held",
        [RECORDER_SLOW] = "slow",
        [RECORDER_ERRORS] = "errors",
        [RECORDER_QUIT] = "quit",
    };
    return names[reason];
}
