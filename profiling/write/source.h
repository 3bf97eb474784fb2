/* SPDX-License-Identifier: MIT
 *
 * source.h - the interface of a named profile (heap, goroutine, mutex ...), from which named.c
 * makes answers: protobuf, text, the difference between two moments.
 *
 * Flow:    take -> [worker, when files or locks are involved] -> done on the loop -> encode
 * Thread:  the loop, unless a member says otherwise.
 */
#ifndef TOQ_PROFILING_WRITE_SOURCE_H
#define TOQ_PROFILING_WRITE_SOURCE_H

#include "core/base/buf.h"
#include "core/loop/pool.h"
#include "profiling/write/profile.h"
#include "profiling/write/stacks.h"
#include "profiling/write/trace_filter.h"

/* One look at a source; embedded in its owner, and the owner's again when `done` runs. */
struct source_take {
    void (*done)(struct source_take *take, int status);
    bool is_purging;            /* ?gc=1: memory that nobody uses goes back first */
    bool is_window;             /* between begin and end: one of the two looks of a difference */
    bool is_raw;                /* heap text: what was sampled, which its reader scales up itself */
    struct trace_filter traces; /* of a source that has_traces */
    struct stacks stacks;       /* the source fills it, the owner frees it */
    struct pool_job job;        /* for the source */
    void *state;                /* for the source */
    void *window;               /* for the source, from begin to end */
};

/* How debug=1 prints it. */
enum source_text {
    SOURCE_TEXT_COUNT,      /* "goroutine profile: total 5": one value */
    SOURCE_TEXT_HEAP,       /* "heap profile: 3: 1572864 [5: 2621440] @ heap/1048576" */
    SOURCE_TEXT_CONTENTION, /* "--- mutex:", "cycles/second=1000000000": count, nanoseconds */
};

struct source {
    const char *name;        /* in /debug/pprof/ */
    const char *description; /* on the index page, in Go's words where Go has it */
    enum source_text text;
    bool has_labels_in_text; /* debug=1 prints them, as Go does for goroutines */
    bool has_traces;         /* its samples can belong to traces */
    /* It sums up what has happened. A little of it may move from one stack to another when a wait
     * ends, which then is not shown as less than none. */
    bool is_growing;

    /* describe fills types, period and default type; the rest of spec is zero. */
    void (*describe)(struct profile_spec *spec);

    /* check tells why the profile cannot be taken, a sentence for the client; NULL: it can.
     * The member itself may be NULL: it always can. */
    const char *(*check)(void);

    /* take fills take->stacks with absolute values: cumulative ones since the start, or those of
     * this moment. take->done runs exactly once, on the loop, never from inside take, with 0 or a
     * negative UV_* or errno; it cannot be cancelled. What blocks or takes long is done by `pool`.
     * Returns: 0, or such an error: take->done does not run. */
    int (*take)(struct loop *loop, struct pool *pool, struct source_take *take);

    /* begin and end bracket a window for which the source must do more than it does always; NULL:
     * it need not. take is called after begin and before end. Windows may overlap. */
    void (*begin)(struct source_take *take);
    void (*end)(struct source_take *take);

    /* count is the number on the index page; cheap. */
    uint64_t (*count)(void);

    /* append_facts adds the "# name = value" lines at the end of debug=1. NULL: none. Thread:
     * worker. */
    void (*append_facts)(struct buf *out);
};

extern const struct source source_allocs;
extern const struct source source_block;
extern const struct source source_goroutine;
extern const struct source source_goroutineleak;
extern const struct source source_heap;
extern const struct source source_mutex;
extern const struct source source_threadcreate;
extern const struct source source_wall;

#endif
