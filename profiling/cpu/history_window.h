/* SPDX-License-Identifier: MIT
 *
 * history_window.h - a window of the history: stacks, and the time at which each was sampled.
 *
 * Failure: samples that find no room are counted as lost.
 * Memory:  struct stacks', and 20 bytes for a stack, span and drain, HISTORY_EVENTS_MAX at most.
 * Thread:  a window that is full never changes: any thread reads it, as long as it has a user. One
 *          that is being filled, and the count of users, are the loop's.
 */
#ifndef TOQ_PROFILING_CPU_HISTORY_WINDOW_H
#define TOQ_PROFILING_CPU_HISTORY_WINDOW_H

#include "profiling/walk/ring.h"
#include "profiling/write/stacks.h"
#include "profiling/write/trace_filter.h"

#define HISTORY_EVENTS_MAX (1u << 16) /* of one window */

/* Samples of one stack, and of one span, that were taken between two drains. */
struct history_event {
    uint32_t sample;    /* of the stacks */
    uint32_t offset_ms; /* of the middle between the drains, since the window's start */
    uint32_t weight;
    uint32_t period_ns;
    uint32_t trace; /* stacks_trace's */
};

/* What a full window shares with its readers. */
struct history_kept {
    size_t users;
    struct stacks stacks;
    struct history_event *events;
    size_t event_count;
    size_t event_cap;
};

struct history_window {
    uint64_t wall_ns; /* its start, on the wall's clock and on the loop's */
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t samples;
    uint64_t lost;
    uint64_t truncated;        /* weight of stacks that do not reach the thread's start */
    struct history_kept *kept; /* NULL: no samples */
};

/* history_kept_add adds a sample of the thread `name`, taken at `offset_ms`.
 *
 * Returns: false when there is no room; what is lost then is not counted in stacks.dropped.
 */
MUST_USE bool history_kept_add(struct history_kept *kept, const struct ring_sample *sample,
                               const char *name, uint32_t offset_ms);

/* history_kept_copy copies what a window that is being filled has, for readers, with one user.
 *
 * ret_kept: all zero.
 * Returns: false when memory is missing, and then nothing is left to free.
 */
MUST_USE bool history_kept_copy(const struct history_kept *kept, struct history_kept *ret_kept);

/* history_kept_deinit frees what it has; one that is all zero then is empty. */
void history_kept_deinit(struct history_kept *kept);

/* history_kept_bytes is the memory behind it. */
size_t history_kept_bytes(const struct history_kept *kept);

/* history_window_put gives a window back that has one user less; the last frees its stacks. */
void history_window_put(const struct history_window *window);

/* history_window_bytes is the memory behind a full window. */
size_t history_window_bytes(const struct history_window *window);

/* What is asked of the past. */
struct history_interval {
    uint64_t start_ns; /* clock_now_ns */
    uint64_t end_ns;
    struct trace_filter traces;
};

/* history_window_merge adds to `stacks` what a window has of an interval. */
void history_window_merge(const struct history_window *window,
                          const struct history_interval *interval, struct stacks *stacks);

#endif
