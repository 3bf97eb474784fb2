/* SPDX-License-Identifier: MIT
 *
 * crash_events.c - prints recorder events as text.
 */
#include "core/crash/crash_events.h"

#include "core/task/label.h"
#include "core/task/recorder.h"

static const char *kind_name(enum recorder_kind kind)
{
    static const char *const names[] = {
        [RECORDER_NONE] = "none",   [RECORDER_START] = "start",   [RECORDER_END] = "end",
        [RECORDER_ENTER] = "enter", [RECORDER_LATE] = "late",     [RECORDER_LEAVE] = "leave",
        [RECORDER_BEGIN] = "begin", [RECORDER_FINISH] = "finish", [RECORDER_PARK] = "park",
        [RECORDER_WHAT] = "for",    [RECORDER_RESUME] = "resume", [RECORDER_WRITE] = "write",
        [RECORDER_POLL] = "poll",
    };
    return (size_t)kind < ARRAY_COUNT(names) ? names[kind] : "?";
}

static void put_label(struct crash_out *out, uint64_t id)
{
    const struct label label = label_get((uint32_t)id);
    crash_out_foreign(out, label.rpc != NULL ? label.rpc : label.route);
}

/* put_more writes what the kind says of the event's upper bits. */
static void put_more(struct crash_out *out, enum recorder_kind kind, uint64_t more)
{
    switch (kind) {
    case RECORDER_ENTER:
    case RECORDER_LATE:
    case RECORDER_END:
    case RECORDER_BEGIN:
    case RECORDER_FINISH:
        crash_out_text(out, " ");
        put_label(out, more);
        break;
    case RECORDER_PARK:
    case RECORDER_WHAT:
        crash_out_text(out, " ");
        crash_out_foreign(out, recorder_text(more));
        break;
    case RECORDER_WRITE:
        crash_out_text(out, " bytes=");
        crash_out_number(out, more);
        break;
    default:
        break;
    }
}

static void put_event(struct crash_out *out, const struct recorder_clock *clock,
                      const struct recorder_event *event)
{
    const enum recorder_kind kind = (enum recorder_kind)(event->ticks & 0xff);
    const uint64_t id = event->value & ((UINT64_C(1) << RECORDER_ID_BITS) - 1);
    crash_out_text(out, "  ");
    crash_out_ms(out, clock->now_ns - recorder_ns(clock, event));
    crash_out_text(out, " ms ago ");
    crash_out_text(out, kind_name(kind));
    if (id != 0) {
        crash_out_text(out, " id=");
        crash_out_number(out, id);
    }
    put_more(out, kind, event->value >> RECORDER_ID_BITS);
    crash_out_text(out, "\n");
}

void crash_events_put(struct crash_out *out)
{
    static struct recorder_event events[CRASH_EVENTS_MAX];
    for (size_t i = 0; recorder_ring_at(i) != NULL; i++) {
        const struct recorder_ring *ring = recorder_ring_at(i);
        const size_t count = recorder_copy(ring, events, CRASH_EVENTS_MAX);
        const struct recorder_clock clock = recorder_read_clock();
        crash_out_text(out, "last events of the loop \"");
        crash_out_text(out, ring->name);
        crash_out_text(out, "\":\n");
        for (size_t j = 0; j < count; j++) {
            put_event(out, &clock, &events[j]);
        }
    }
}
