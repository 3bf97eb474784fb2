/* SPDX-License-Identifier: MIT
 *
 * perfetto.c - writes packets, one for each event, with the names that are used for the first time.
 */
#include "profiling/flight/perfetto.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/clock.h"
#include "profiling/code/symbol.h"
#include "profiling/flight/proto.h"

#define STACK_FRAMES_MAX   128
#define SEQUENCE           1
#define CLOCK_REALTIME_ID  1
#define CLOCK_MONOTONIC_ID 3
#define SEQUENCE_CLEARED   1
#define SEQUENCE_NEEDS     2

/* Numbers of fields, by message. */
enum { TRACE_PACKET = 1 };
enum {
    PACKET_CLOCK_SNAPSHOT = 6,
    PACKET_TIMESTAMP = 8,
    PACKET_SEQUENCE_ID = 10,
    PACKET_TRACK_EVENT = 11,
    PACKET_INTERNED = 12,
    PACKET_SEQUENCE_FLAGS = 13,
    PACKET_DEFAULTS = 59,
    PACKET_TRACK_DESCRIPTOR = 60,
};
enum { DEFAULTS_CLOCK = 58 };
enum { SNAPSHOT_CLOCKS = 1, SNAPSHOT_PRIMARY = 2, CLOCK_ID = 1, CLOCK_TIME = 2 };
enum { TRACK_UUID = 1, TRACK_NAME = 2, TRACK_PROCESS = 3, TRACK_THREAD = 4, TRACK_PARENT = 5 };
enum { PROCESS_PID = 1, PROCESS_NAME = 6, THREAD_PID = 1, THREAD_TID = 2, THREAD_NAME = 5 };
enum {
    EVENT_ANNOTATIONS = 4,
    EVENT_TYPE = 9,
    EVENT_NAME_IID = 10,
    EVENT_TRACK = 11,
    EVENT_FLOWS = 47,
    EVENT_ENDED_FLOWS = 48,
    EVENT_STACK_IID = 56,
};
enum { ANNOTATION_UINT = 3, ANNOTATION_TEXT = 6, ANNOTATION_NAME = 10 };
enum { INTERNED_NAMES = 2, INTERNED_FUNCTIONS = 5, INTERNED_FRAMES = 6, INTERNED_STACKS = 7 };
enum { NAMED_IID = 1, NAMED_TEXT = 2 };
enum { FRAME_IID = 1, FRAME_FUNCTION = 2, FRAME_LINE = 6, STACK_IID = 1, STACK_FRAMES = 2 };

/* --- tables --- */

static bool is_key(const void *key, uint32_t position)
{
    const struct perfetto_table *const *table_and_key = key;
    const uint64_t wanted = *(const uint64_t *)(const void *)table_and_key[1];
    return table_and_key[0]->keys[position] == wanted;
}

/* number_of is the number of a key.
 *
 * Returns: 0 when memory is missing; *ret_is_new: it has no text yet. */
static uint64_t number_of(struct perfetto *trace, struct perfetto_table *table, uint64_t key,
                          bool *ret_is_new)
{
    const void *wanted[2] = {table, &key};
    uint32_t position;
    const uint64_t hash = lookup_mix(key, 0);
    *ret_is_new = !lookup_find(&table->lookup, hash, is_key, wanted, &position);
    if (!*ret_is_new) {
        return (uint64_t)position + 1;
    }
    if (!array_grow(&table->keys, table->count, &table->cap, sizeof(*table->keys), UINT32_MAX) ||
        !lookup_add(&table->lookup, hash, (uint32_t)table->count)) {
        trace->is_failed = true;
        return 0;
    }
    table->keys[table->count] = key;
    table->count++;
    return table->count;
}

static void free_table(struct perfetto_table *table)
{
    lookup_deinit(&table->lookup);
    free(table->keys);
}

/* --- packets --- */

static void begin_packet(struct perfetto *trace, struct proto *packet, uint64_t flags)
{
    *packet = (struct proto){.data = trace->packet, .cap = sizeof(trace->packet)};
    proto_uint(packet, PACKET_SEQUENCE_ID, SEQUENCE);
    proto_uint(packet, PACKET_SEQUENCE_FLAGS, flags);
}

static void end_packet(struct perfetto *trace, struct proto *packet)
{
    uint8_t head[8];
    struct proto length = {.data = head, .cap = sizeof(head)};
    proto_length(&length, TRACE_PACKET, packet->len);
    buf_append(trace->out, head, length.len);
    buf_append(trace->out, packet->data, packet->len);
    trace->is_failed = trace->is_failed || packet->is_full; /* it may have had names */
}

/* begin_track begins a packet that describes a track. Returns: what end_track takes. */
static size_t begin_track(struct perfetto *trace, struct proto *packet, uint64_t track)
{
    begin_packet(trace, packet, 0);
    const size_t descriptor = proto_begin(packet, PACKET_TRACK_DESCRIPTOR);
    proto_uint(packet, TRACK_UUID, track);
    return descriptor;
}

static void end_track(struct perfetto *trace, struct proto *packet, size_t descriptor)
{
    proto_end(packet, descriptor);
    end_packet(trace, packet);
}

static void put_clock(struct proto *packet, uint64_t id, uint64_t now_ns)
{
    const size_t clock = proto_begin(packet, SNAPSHOT_CLOCKS);
    proto_uint(packet, CLOCK_ID, id);
    proto_uint(packet, CLOCK_TIME, now_ns);
    proto_end(packet, clock);
}

void perfetto_start(struct perfetto *trace, struct buf *out)
{
    struct proto packet;
    memset(trace, 0, offsetof(struct perfetto, packet));
    trace->out = out;
    begin_packet(trace, &packet, SEQUENCE_CLEARED);
    const size_t snapshot = proto_begin(&packet, PACKET_CLOCK_SNAPSHOT);
    put_clock(&packet, CLOCK_MONOTONIC_ID, clock_now_ns());
    put_clock(&packet, CLOCK_REALTIME_ID, clock_wall_ns());
    proto_uint(&packet, SNAPSHOT_PRIMARY, CLOCK_MONOTONIC_ID);
    proto_end(&packet, snapshot);
    const size_t defaults = proto_begin(&packet, PACKET_DEFAULTS);
    proto_uint(&packet, DEFAULTS_CLOCK, CLOCK_MONOTONIC_ID);
    proto_end(&packet, defaults);
    end_packet(trace, &packet);

    const size_t track = begin_track(trace, &packet, PERFETTO_PROCESS_TRACK);
    const size_t process = proto_begin(&packet, TRACK_PROCESS);
    proto_uint(&packet, PROCESS_PID, (uint64_t)getpid());
    proto_text(&packet, PROCESS_NAME, STR("toq"));
    proto_end(&packet, process);
    end_track(trace, &packet, track);
}

void perfetto_add_thread(struct perfetto *trace, uint64_t track, int tid, const char *name)
{
    struct proto packet;
    const size_t descriptor = begin_track(trace, &packet, track);
    const size_t thread = proto_begin(&packet, TRACK_THREAD);
    proto_uint(&packet, THREAD_PID, (uint64_t)getpid());
    proto_uint(&packet, THREAD_TID, (uint64_t)tid);
    proto_text(&packet, THREAD_NAME, str_from(name));
    proto_end(&packet, thread);
    end_track(trace, &packet, descriptor);
}

void perfetto_add_track(struct perfetto *trace, uint64_t track, uint64_t parent, const char *name)
{
    struct proto packet;
    const size_t descriptor = begin_track(trace, &packet, track);
    proto_text(&packet, TRACK_NAME, str_from(name));
    proto_uint(&packet, TRACK_PARENT, parent);
    end_track(trace, &packet, descriptor);
}

/* --- events --- */

/* What an event refers to. */
struct refs {
    uint64_t name;
    uint64_t stack;
};

static void put_text(struct proto *interned, uint32_t field, uint64_t number, const char *text)
{
    const size_t entry = proto_begin(interned, field);
    proto_uint(interned, NAMED_IID, number);
    proto_text(interned, NAMED_TEXT, str_from(text));
    proto_end(interned, entry);
}

static uint64_t intern_text(struct perfetto *trace, struct perfetto_table *table,
                            struct proto *interned, uint32_t field, const char *text)
{
    bool is_new;
    const uint64_t number = number_of(trace, table, (uintptr_t)text, &is_new);
    if (is_new) {
        put_text(interned, field, number, text);
    }
    return number;
}

/* intern_frames adds the numbers of the functions at an address, the outermost first. */
static size_t intern_frames(struct perfetto *trace, struct proto *interned, uint64_t address,
                            uint64_t *ret_numbers)
{
    struct symbol_result symbol;
    size_t count = 0;
    symbol_lookup(address, &symbol);
    for (size_t i = symbol.count; i > 0; i--) {
        const struct symbol_frame *frame = &symbol.frames[i - 1];
        const uint64_t function =
            intern_text(trace, &trace->functions, interned, INTERNED_FUNCTIONS, frame->function);
        bool is_new;
        const uint64_t key = lookup_mix(address, i); /* so deep inlined */
        ret_numbers[count] = number_of(trace, &trace->frames, key, &is_new);
        if (is_new) {
            const size_t entry = proto_begin(interned, INTERNED_FRAMES);
            proto_uint(interned, FRAME_IID, ret_numbers[count]);
            proto_uint(interned, FRAME_FUNCTION, function);
            proto_uint(interned, FRAME_LINE, (uint64_t)(frame->line > 0 ? frame->line : 0));
            proto_end(interned, entry);
        }
        count++;
    }
    return count;
}

static uint64_t intern_stack(struct perfetto *trace, struct proto *interned,
                             const struct perfetto_event *event)
{
    uint64_t numbers[STACK_FRAMES_MAX + SYMBOL_FRAMES_MAX];
    size_t count = 0;
    for (size_t i = event->frame_count; i > 0 && count < STACK_FRAMES_MAX; i--) {
        count += intern_frames(trace, interned, event->frames[i - 1], numbers + count);
    }
    const size_t entry = proto_begin(interned, INTERNED_STACKS);
    trace->stack_count++;
    proto_uint(interned, STACK_IID, trace->stack_count);
    for (size_t i = 0; i < count; i++) {
        proto_uint(interned, STACK_FRAMES, numbers[i]);
    }
    proto_end(interned, entry);
    return trace->stack_count;
}

static void put_annotations(struct proto *packet, const struct perfetto_event *event)
{
    if (event->number_name != NULL) {
        const size_t annotation = proto_begin(packet, EVENT_ANNOTATIONS);
        proto_text(packet, ANNOTATION_NAME, str_from(event->number_name));
        proto_uint(packet, ANNOTATION_UINT, event->number);
        proto_end(packet, annotation);
    }
    if (event->text_name != NULL && event->text != NULL) {
        const size_t annotation = proto_begin(packet, EVENT_ANNOTATIONS);
        proto_text(packet, ANNOTATION_NAME, str_from(event->text_name));
        proto_text(packet, ANNOTATION_TEXT, str_from(event->text));
        proto_end(packet, annotation);
    }
}

static void put_event(struct proto *packet, const struct perfetto_event *event,
                      const struct refs *refs)
{
    proto_uint(packet, PACKET_TIMESTAMP, event->at_ns);
    const size_t track_event = proto_begin(packet, PACKET_TRACK_EVENT);
    proto_uint(packet, EVENT_TYPE, event->type);
    proto_uint(packet, EVENT_TRACK, event->track);
    if (refs->name != 0) {
        proto_uint(packet, EVENT_NAME_IID, refs->name);
    }
    if (event->flow != 0) {
        proto_fixed64(packet, EVENT_FLOWS, event->flow);
    }
    if (event->ended_flow != 0) {
        proto_fixed64(packet, EVENT_ENDED_FLOWS, event->ended_flow);
    }
    if (refs->stack != 0) {
        proto_uint(packet, EVENT_STACK_IID, refs->stack);
    }
    put_annotations(packet, event);
    proto_end(packet, track_event);
}

void perfetto_add(struct perfetto *trace, const struct perfetto_event *event)
{
    struct proto packet;
    struct refs refs = {0};
    begin_packet(trace, &packet, SEQUENCE_NEEDS);
    const size_t begun = packet.len;
    const size_t interned = proto_begin(&packet, PACKET_INTERNED);
    if (event->name != NULL) {
        refs.name = intern_text(trace, &trace->names, &packet, INTERNED_NAMES, event->name);
    }
    if (event->frames != NULL) {
        refs.stack = intern_stack(trace, &packet, event);
    }
    if (packet.len == interned) {
        packet.len = begun; /* nothing is new */
    } else {
        proto_end(&packet, interned);
    }
    put_event(&packet, event, &refs);
    end_packet(trace, &packet);
}

int perfetto_end(struct perfetto *trace)
{
    free_table(&trace->names);
    free_table(&trace->functions);
    free_table(&trace->frames);
    return trace->is_failed || trace->out->is_failed ? UV_ENOMEM : 0;
}
