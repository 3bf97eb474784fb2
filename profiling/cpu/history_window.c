/* SPDX-License-Identifier: MIT
 *
 * history_window.c - the stacks of a window are a struct stacks, as everywhere; beside it a list in
 * the order of time says how much of them came when.
 */
#include "profiling/cpu/history_window.h"

#include <stdlib.h>

#include "core/base/clock.h"

/* How far back one of the same stack and drain is looked for. */
#define LOOK_BACK 32

/* An event like `wanted`, whatever its weight. */
static struct history_event *find_event(struct history_kept *kept,
                                        const struct history_event *wanted)
{
    const size_t last = kept->event_count;
    for (size_t i = last; i > 0 && i + LOOK_BACK > last; i--) {
        struct history_event *event = &kept->events[i - 1];
        if (event->offset_ms != wanted->offset_ms) {
            break;
        }
        if (event->sample == wanted->sample && event->trace == wanted->trace &&
            event->period_ns == wanted->period_ns) {
            return event;
        }
    }
    return NULL;
}

bool history_kept_add(struct history_kept *kept, const struct ring_sample *sample, const char *name,
                      uint32_t offset_ms)
{
    const struct stacks_labels labels = {
        .label = sample->owner.label,
        .thread = stacks_name(&kept->stacks, str_from(name)),
    };
    const int64_t values[STACKS_VALUES_MAX] = {sample->weight,
                                               (int64_t)sample->weight * sample->period_ns};
    if (!array_grow(&kept->events, kept->event_count, &kept->event_cap, sizeof(*kept->events),
                    HISTORY_EVENTS_MAX)) {
        return false;
    }
    const uint64_t dropped = kept->stacks.dropped;
    const uint32_t position =
        stacks_add(&kept->stacks, sample->frames, sample->frame_count, &labels, values);
    if (position == STACKS_NO_SAMPLE) {
        kept->stacks.dropped = dropped;
        return false;
    }
    const struct history_event added = {
        .sample = position,
        .offset_ms = offset_ms,
        .weight = sample->weight,
        .period_ns = sample->period_ns,
        .trace = stacks_trace(&kept->stacks, &sample->owner.trace),
    };
    struct history_event *event = find_event(kept, &added);
    if (event != NULL) {
        event->weight += sample->weight;
    } else {
        kept->events[kept->event_count++] = added;
    }
    return true;
}

bool history_kept_copy(const struct history_kept *kept, struct history_kept *ret_kept)
{
    const size_t bytes = kept->event_count * sizeof(*kept->events);
    struct history_event *events = malloc(bytes > 0 ? bytes : 1);
    if (events == NULL || !stacks_copy(&kept->stacks, &ret_kept->stacks)) {
        free(events);
        return false;
    }
    if (bytes > 0) {
        memcpy(events, kept->events, bytes);
    }
    ret_kept->events = events;
    ret_kept->event_count = kept->event_count;
    ret_kept->event_cap = kept->event_count;
    ret_kept->users = 1;
    return true;
}

void history_kept_deinit(struct history_kept *kept)
{
    stacks_deinit(&kept->stacks);
    free(kept->events);
    *kept = (struct history_kept){0};
}

size_t history_kept_bytes(const struct history_kept *kept)
{
    return stacks_bytes(&kept->stacks) + kept->event_cap * sizeof(*kept->events);
}

void history_window_put(const struct history_window *window)
{
    if (window->kept != NULL && --window->kept->users == 0) {
        history_kept_deinit(window->kept);
        free(window->kept);
    }
}

size_t history_window_bytes(const struct history_window *window)
{
    return window->kept == NULL ? 0 : sizeof(*window->kept) + history_kept_bytes(window->kept);
}

/* The ids of an event; all zero: it belongs to no trace. */
static struct trace_ids ids_of(const struct history_kept *kept, const struct history_event *event)
{
    static const struct trace_ids none;
    const struct stacks_trace *trace = stacks_trace_at(&kept->stacks, event->trace);
    return trace == NULL ? none : trace->ids;
}

void history_window_merge(const struct history_window *window,
                          const struct history_interval *interval, struct stacks *stacks)
{
    const struct history_kept *kept = window->kept;
    const struct trace_filter *traces = &interval->traces;
    for (size_t i = 0; kept != NULL && i < kept->event_count; i++) {
        const struct history_event *event = &kept->events[i];
        const uint64_t at_ns = window->start_ns + event->offset_ms * NS_PER_MS;
        const struct trace_ids ids = ids_of(kept, event);
        if (at_ns < interval->start_ns || at_ns >= interval->end_ns ||
            !trace_filter_takes(traces, &ids)) {
            continue;
        }
        const struct stacks_sample *sample = &kept->stacks.samples[event->sample];
        uint64_t frames[STACKS_FRAMES_MAX];
        const size_t count = stacks_read(&kept->stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
        struct stacks_labels labels = sample->labels;
        labels.thread = stacks_name(stacks, str_from(kept->stacks.names[labels.thread]));
        labels.trace = traces->has_labels ? stacks_trace(stacks, &ids) : 0;
        const int64_t values[STACKS_VALUES_MAX] = {event->weight,
                                                   (int64_t)event->weight * event->period_ns};
        (void)stacks_add(stacks, frames, count, &labels, values);
    }
}
