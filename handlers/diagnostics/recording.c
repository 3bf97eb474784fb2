/* SPDX-License-Identifier: MIT
 *
 * recording.c - a ring for each loop's thread, made on that thread.
 */
#include "handlers/diagnostics/recording.h"

#include "core/observe/trouble.h"
#include "core/task/recorder.h"
#include "core/telemetry/log.h"

#define DIAG_SHARE 16 /* the loop of diagnostics does so much less */

static uint64_t round_up(uint64_t count)
{
    uint64_t power = 1;
    while (power < count) {
        power *= 2;
    }
    return power;
}

static void start_ring(const char *name, uint64_t events)
{
    if (recorder_start(name, events) < 0) {
        LOG(LOG_WARN, "recorder", "no memory for a loop's events", log_cstr("loop", name));
    }
}

static void on_post(struct loop_post *post)
{
    const struct recording *recording = CONTAINER_OF(post, struct recording, post);
    start_ring("diagnostics", recording->events);
}

void recording_start(struct recording *recording, const struct recording_options *options)
{
    if (options->events == 0) {
        return;
    }
    const uint64_t events = round_up(options->events);
    start_ring("work", events);
    if (options->pprof->loop != options->pprof->work) {
        recording->events = events > DIAG_SHARE ? events / DIAG_SHARE : 1;
        recording->post.run = on_post;
        loop_post(options->pprof->loop, &recording->post);
    }
    trouble_set_limits(options->trouble, options->slow_ms, options->errors);
    pprof_start_flight(options->pprof, options->dir);
}

void recording_stop(void)
{
    pprof_stop_flight();
    recorder_stop();
}
