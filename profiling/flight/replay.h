/* SPDX-License-Identifier: MIT
 *
 * replay.h - converts the events of a recorder's ring into a Perfetto trace.
 *
 * A loop has three kinds of tracks: its thread, with callbacks, which nest; its turns; and lanes
 * for requests. A request has a lane for itself from its first byte to its end, with what it waits
 * for nested in it; lanes are used again, but by no request whose start was overwritten. An arrow
 * leads from each wait to the callback that it let run. A CPU sample stands in the lane of the
 * request whose callback it interrupted.
 *
 * Thread: a worker.
 */
#ifndef TOQ_PROFILING_FLIGHT_REPLAY_H
#define TOQ_PROFILING_FLIGHT_REPLAY_H

#include "core/task/recorder.h"
#include "profiling/flight/perfetto.h"

#define REPLAY_FRAMES_MAX 64
#define REPLAY_STALL_NS   (20 * NS_PER_MS) /* a turn that takes so long is a stall */

/* A CPU sample of a thread. */
struct replay_sample {
    uint64_t taken_ns; /* clock_now_ns */
    char thread[RECORDER_THREAD_BYTES];
    uint32_t frame_count;
    uint64_t frames[REPLAY_FRAMES_MAX]; /* the innermost first */
};

struct replay_options {
    const struct recorder_ring *ring;
    size_t position; /* of the ring among all */
    const struct recorder_event *events;
    size_t event_count;
    const struct replay_sample *samples; /* of all threads, by time */
    size_t sample_count;
    const struct recorder_clock *clock;
    uint64_t begin_ns; /* what was before is left out */
    uint64_t end_ns;   /* where what is not over is cut */
};

/* replay_run adds what a ring has to a trace. Returns: 0; UV_ENOMEM. */
MUST_USE int replay_run(const struct replay_options *options, struct perfetto *trace);

#endif
