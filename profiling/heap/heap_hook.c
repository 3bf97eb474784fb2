/* SPDX-License-Identifier: MIT
 *
 * heap_hook.c - jemalloc's prof_backtrace hook.
 */
#include "profiling/heap/heap_hook.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdatomic.h>

#include "core/base/clock.h"
#include "core/base/lookup.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/maps.h"
#include "profiling/code/synthetic.h"
#include "profiling/heap/heap_ctl.h"
#include "profiling/walk/backtrace.h"

#define HOOK_NAME  "experimental.hooks.prof_backtrace"
#define OWN_FRAMES 16 /* at most: this file's one and jemalloc's, of which there are 3 to 8 */
/* jemalloc's PROF_BT_MAX, which the hook is given as its maximum. */
#define FRAMES_MAX (128 + OWN_FRAMES)
/* Measured: of 765 stacks of the profiler's own these many have 99.5 % of what it allocates. */
#define PROFILER_STACKS_MAX 256

#pragma weak mallctl

typedef void (*hook_fn)(void **frames, unsigned *len, unsigned max);

static hook_fn original; /* jemalloc's unwinder; NULL: ours is not installed */
static uint64_t own_low; /* jemalloc's code */
static uint64_t own_high;

static _Atomic uint64_t sample_count;
static _Atomic uint64_t failure_count;
static _Atomic uint64_t truncated_count;
static _Atomic uint64_t stack_count;
static _Atomic uint64_t profiler_stack_count;
static _Atomic uint64_t hook_ns;
static _Atomic uint8_t is_seen[1 << 16]; /* by hash of a stack */

static void add(_Atomic uint64_t *counter, uint64_t value)
{
    (void)atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

/* note_stack counts a stack that was not seen before.
 *
 * Returns: false for one that is to be kept without its frames: the profiler has its share.
 */
static bool note_stack(const uint64_t *frames, size_t count, uint32_t label)
{
    uint64_t hash = label;
    for (size_t i = 0; i < count; i++) {
        hash = lookup_mix(frames[i], hash);
    }
    _Atomic uint8_t *seen = &is_seen[hash % ARRAY_COUNT(is_seen)];
    if (atomic_load_explicit(seen, memory_order_relaxed) != 0) {
        return true;
    }
    if (label == LABEL_PROFILER &&
        atomic_fetch_add_explicit(&profiler_stack_count, 1, memory_order_relaxed) >=
            PROFILER_STACKS_MAX) {
        return false;
    }
    if (atomic_exchange_explicit(seen, 1, memory_order_relaxed) == 0) {
        add(&stack_count, 1);
    }
    return true;
}

size_t heap_hook_strip(const uint64_t *frames, size_t count, const uint64_t **ret_frames)
{
    size_t own = 0;
    while (own < count && frames[own] >= own_low && frames[own] < own_high) {
        own++;
    }
    *ret_frames = frames + own;
    return count - own;
}

static void on_sample(void **ret_frames, unsigned *ret_len, unsigned max)
{
    const uint64_t start_ns = clock_now_ns();
    const int saved_errno = errno;
    const uint32_t label = task_current_label();
    uint64_t taken[FRAMES_MAX];
    const uint64_t *frames = taken;
    bool is_complete;
    size_t count = backtrace_take(taken, ARRAY_COUNT(taken), &is_complete);
    if (count > 0) { /* the first is in this function */
        count = heap_hook_strip(taken + 1, count - 1, &frames);
    }
    if (count >= max) {
        count = max - 1;
        is_complete = false;
    }
    add(&sample_count, 1);
    add(count == 0 ? &failure_count : &truncated_count, count == 0 || !is_complete ? 1 : 0);
    if (!note_stack(frames, count, label)) {
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        ret_frames[i] = (void *)(uintptr_t)frames[i];
    }
    ret_frames[count] = (void *)(uintptr_t)synthetic_route(label);
    *ret_len = (unsigned)count + 1;
    errno = saved_errno;
    add(&hook_ns, clock_now_ns() - start_ns);
}

bool heap_hook_install(void)
{
    if (original != NULL) {
        return true;
    }
    const hook_fn ours = on_sample;
    hook_fn previous;
    if (!heap_ctl_read(HOOK_NAME, &previous, sizeof(previous)) ||
        !maps_find_range((uintptr_t)mallctl, &own_low, &own_high) ||
        !heap_ctl_write(HOOK_NAME, &ours, sizeof(ours))) {
        return false;
    }
    original = previous;
    return true;
}

void heap_hook_remove(void)
{
    if (original != NULL && heap_ctl_write(HOOK_NAME, &original, sizeof(original))) {
        original = NULL;
    }
}

struct heap_hook_stats heap_hook_get_stats(void)
{
    return (struct heap_hook_stats){
        .samples = atomic_load_explicit(&sample_count, memory_order_relaxed),
        .failures = atomic_load_explicit(&failure_count, memory_order_relaxed),
        .truncated = atomic_load_explicit(&truncated_count, memory_order_relaxed),
        .stacks = atomic_load_explicit(&stack_count, memory_order_relaxed),
        .ns = atomic_load_explicit(&hook_ns, memory_order_relaxed),
    };
}
