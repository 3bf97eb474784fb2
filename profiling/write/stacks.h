/* SPDX-License-Identifier: MIT
 *
 * stacks.h - samples summed up per distinct stack and labels: the form of every profile before it
 * is written.
 *
 * Stacks share their outer frames: a trie of {parent, address}, in which a stack is the number of
 * its leaf.
 *
 * Failure: what does not fit is counted and dropped.
 * Memory:  at most STACKS_NODES_MAX frames (about 8 MiB), STACKS_SAMPLES_MAX samples (about 5 MiB)
 *          and, where samples have ids, STACKS_TRACES_MAX spans (about 6 MiB).
 * Thread:  one at a time.
 */
#ifndef TOQ_PROFILING_WRITE_STACKS_H
#define TOQ_PROFILING_WRITE_STACKS_H

#include "core/base/lookup.h"
#include "core/base/str.h"
#include "core/base/trace_ids.h"

#define STACKS_NODES_MAX   (1u << 18)
#define STACKS_SAMPLES_MAX (1u << 16)
#define STACKS_FRAMES_MAX  128 /* of one stack */
#define STACKS_VALUES_MAX  4
#define STACKS_NO_PARENT   UINT32_MAX
#define STACKS_NO_SAMPLE   UINT32_MAX
#define STACKS_NAMES_MAX   256 /* distinct thread names; further threads count under the last */
#define STACKS_NAME_BYTES  16  /* TASK_COMM_LEN */
#define STACKS_TRACES_MAX  (1u << 16) /* spans; samples of further ones have no ids */

struct stacks_node {
    uint64_t address;
    uint32_t parent; /* the caller's node; STACKS_NO_PARENT at the root */
};

/* What tells samples of one stack apart; zero for what a profile has not. */
struct stacks_labels {
    uint32_t label;     /* core/task/label.h */
    uint32_t thread;    /* stacks_name's */
    uint32_t trace;     /* stacks_trace's */
    const char *state;  /* of a task: a literal, or NULL */
    int64_t size_bytes; /* of one allocation */
};

/* A span as a label has it. */
struct stacks_trace {
    struct trace_ids ids;
    char trace_id[33]; /* hexadecimal */
    char span_id[17];
};

struct stacks_sample {
    uint32_t leaf; /* node of the innermost frame */
    struct stacks_labels labels;
    int64_t values[STACKS_VALUES_MAX];
};

struct stacks {
    struct stacks_node *nodes;
    size_t node_count;
    size_t node_cap;
    struct lookup node_lookup;

    struct stacks_sample *samples;
    size_t sample_count;
    size_t sample_cap;
    struct lookup sample_lookup;

    char names[STACKS_NAMES_MAX][STACKS_NAME_BYTES]; /* [0] is "", no name */
    uint32_t name_count;

    struct stacks_trace *traces;
    size_t trace_count;
    size_t trace_cap;
    struct lookup trace_lookup;

    uint64_t total;   /* the first values of what was added */
    uint64_t dropped; /* and of what did not fit */
};

/* stacks_deinit frees everything; an all-zero struct stacks is an empty one. */
void stacks_deinit(struct stacks *stacks);

/* stacks_name is the number of a thread's name, for stacks_labels.thread.
 *
 * Returns: 0 for an empty name.
 */
uint32_t stacks_name(struct stacks *stacks, struct str name);

/* stacks_trace is the number of a span, for stacks_labels.trace.
 *
 * Returns: 0 for none, and when there is no room for another one.
 */
uint32_t stacks_trace(struct stacks *stacks, const struct trace_ids *ids);

/* stacks_trace_at is the span that stacks_trace gave the number. Returns: NULL for 0. */
const struct stacks_trace *stacks_trace_at(const struct stacks *stacks, uint32_t number);

/* stacks_add adds values to the sample of this stack with these labels.
 *
 * frames: `count` addresses, the innermost first; at least 1, and beyond STACKS_FRAMES_MAX the
 * outermost are left out. values: STACKS_VALUES_MAX of them.
 * Returns: the position of the sample, which stays; STACKS_NO_SAMPLE when it did not fit.
 */
uint32_t stacks_add(struct stacks *stacks, const uint64_t *frames, size_t count,
                    const struct stacks_labels *labels, const int64_t *values);

/* stacks_merge adds all samples of `from`, their values multiplied by `factor`: 1 to sum up, -1 to
 * subtract. */
void stacks_merge(struct stacks *stacks, const struct stacks *from, int64_t factor);

/* stacks_copy makes a copy that takes no more memory than it needs. It can be read, merged from and
 * freed; nothing can be added to it.
 *
 * ret_copy: all zero.
 * Returns: true; false when memory is missing, and then nothing is left to free.
 */
MUST_USE bool stacks_copy(const struct stacks *stacks, struct stacks *ret_copy);

/* stacks_bytes is the memory behind a struct stacks, itself not included. */
size_t stacks_bytes(const struct stacks *stacks);

/* stacks_read writes the addresses of a stack, the innermost first.
 *
 * Returns: how many, at most max.
 */
size_t stacks_read(const struct stacks *stacks, uint32_t leaf, uint64_t *ret_frames, size_t max);

#endif
