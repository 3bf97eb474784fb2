/* SPDX-License-Identifier: MIT
 *
 * perfetto.h - a trace as ui.perfetto.dev opens it: tracks, slices, instants, flows, call stacks.
 *
 * Names are written once and then referred to by number. Times are clock_now_ns, which a snapshot
 * ties to the time of day; packets may come in any order, slices of one track may not overlap
 * unless they nest.
 *
 * Failure: what does not fit into the buffer makes it fail.
 * Memory:  the buffer, and a few words for each name.
 * Thread:  a worker.
 * Source:  google/perfetto protos/perfetto/trace: numbers of fields.
 */
#ifndef TOQ_PROFILING_FLIGHT_PERFETTO_H
#define TOQ_PROFILING_FLIGHT_PERFETTO_H

#include "core/base/buf.h"
#include "core/base/lookup.h"

#define PERFETTO_PROCESS_TRACK 1
#define PERFETTO_PACKET_BYTES  65536 /* at most */

/* What was given a number; the number is the position plus one. */
struct perfetto_table {
    uint64_t *keys;
    size_t count;
    size_t cap;
    struct lookup lookup;
};

struct perfetto {
    struct buf *out;
    struct perfetto_table names;     /* of slices and annotations, by their address */
    struct perfetto_table functions; /* by their address */
    struct perfetto_table frames;    /* by address of code, and how deep inlined */
    uint64_t stack_count;
    bool is_failed;
    uint8_t packet[PERFETTO_PACKET_BYTES]; /* the one that is written */
};

enum perfetto_type { PERFETTO_BEGIN = 1, PERFETTO_END = 2, PERFETTO_INSTANT = 3 };

/* One event. */
struct perfetto_event {
    enum perfetto_type type;
    uint64_t track;
    uint64_t at_ns;
    const char *name;        /* a literal or a label's; NULL for an end */
    uint64_t flow;           /* goes out from here; 0: none */
    uint64_t ended_flow;     /* ends here; 0: none */
    const char *number_name; /* an annotation; NULL: none. A literal */
    uint64_t number;
    const char *text_name; /* the same, with a text */
    const char *text;
    const uint64_t *frames; /* a call stack, the innermost first; NULL: none */
    size_t frame_count;
};

/* perfetto_start begins a trace of this process. out: empty, and with a maximum. */
void perfetto_start(struct perfetto *trace, struct buf *out);

/* perfetto_add_thread describes a thread's track. */
void perfetto_add_thread(struct perfetto *trace, uint64_t track, int tid, const char *name);

/* perfetto_add_track describes a track. parent: one that has been described. */
void perfetto_add_track(struct perfetto *trace, uint64_t track, uint64_t parent, const char *name);

/* perfetto_add adds an event to a track that has been described. */
void perfetto_add(struct perfetto *trace, const struct perfetto_event *event);

/* perfetto_end frees all but the buffer.
 *
 * Returns: 0; UV_ENOMEM: the buffer is not whole.
 */
int perfetto_end(struct perfetto *trace);

#endif
