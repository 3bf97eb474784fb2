/* SPDX-License-Identifier: MIT
 *
 * cpu.c - one capture at a time, as a state machine on the loop.
 *
 * Flow:    cpu_start -> code_refresh -> begin_window -> on_sample ... -> on_window_end
 *          -> [worker] encode -> on_done
 * Failure: an error ends the capture with its code; a cancelled capture ends silently.
 * Memory:  a capture is freed when its timer is closed and no worker holds it.
 */
#include "profiling/cpu/cpu.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/cpu/sampler.h"
#include "profiling/write/encode.h"
#include "profiling/write/stacks.h"

#define DRAIN_MS      100
#define HZ_MAX        1000
#define COMMENT_BYTES 384

enum capture_state { CAPTURE_PREPARING, CAPTURE_SAMPLING, CAPTURE_ENCODING, CAPTURE_ENDED };

struct cpu_capture {
    enum capture_state state;
    struct code_wait code_wait;
    struct cpu_options options;
    cpu_done_fn on_done; /* NULL: cancelled */
    void *arg;

    uv_timer_t window_timer;
    bool is_timer_open;

    struct sampler_consumer consumer;
    struct stacks stacks;
    uint64_t truncated;           /* weight of stacks that do not reach the thread's start */
    struct sampler_stats sampler; /* at the window's start, and then what happened in it */
    uint64_t wall_ns;             /* when the window began: wall clock, and the loop's */
    uint64_t start_ns;
    uint64_t duration_ns;

    struct pool_job job;
    const struct maps *maps; /* code_get's */
    int status;              /* of the job */
    char *data;
    size_t len;
};

static struct {
    struct loop *loop; /* NULL: not started */
    struct pool *pool;
    struct cpu_capture *capture; /* the one that runs, or whose data a worker holds, or NULL */
    struct cpu_stats stats;
} profiler;

/* --- the end of a capture --- */

static void free_if_idle(struct cpu_capture *capture)
{
    if (capture->state == CAPTURE_ENDED && !capture->is_timer_open) {
        free(capture);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct cpu_capture *capture = handle->data;
    capture->is_timer_open = false;
    free_if_idle(capture);
}

/* The capture is over, its last worker home: only a closing timer may keep its memory. */
static void finish(struct cpu_capture *capture, int status)
{
    profiler.capture = NULL;
    if (capture->on_done != NULL) {
        capture->on_done(capture->arg, status, status == 0 ? capture->data : NULL,
                         status == 0 ? capture->len : 0);
    }
    stacks_deinit(&capture->stacks);
    free(capture->data);
    code_put(capture->maps);
    capture->state = CAPTURE_ENDED;
    free_if_idle(capture);
}

/* --- the profile, on a worker thread --- */

static uint64_t count_lost(const struct cpu_capture *capture)
{
    return capture->sampler.lost + capture->stacks.dropped;
}

static void format_account(const struct cpu_capture *capture, char *out)
{
    char itimer[SAMPLER_ITIMER_BYTES];
    const bool is_shared = capture->sampler.untimed > 0;
    sampler_format_itimer(is_shared ? capture->sampler.itimer_reason : 0, itimer);
    (void)snprintf(out, COMMENT_BYTES,
                   "toq: %" PRIu64 " samples, %" PRIu64 " lost, %" PRIu64 " truncated, %" PRIu64
                   " thread%s without a timer, %" PRIu64 " us in the signal handler%s",
                   capture->stacks.total, count_lost(capture), capture->truncated,
                   capture->sampler.untimed, capture->sampler.untimed == 1 ? "" : "s",
                   capture->sampler.handler_ns / NS_PER_US, itimer);
}

static void encode_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct cpu_capture *capture = CONTAINER_OF(job, struct cpu_capture, job);
    const struct profile_spec spec = {
        .types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
        .type_count = 2,
        .period_type = {"cpu", "nanoseconds"},
        .period = (int64_t)capture->consumer.period_ns,
        .time_ns = capture->wall_ns,
        .duration_ns = capture->duration_ns,
        .has_profile_id = true,
    };
    char comment[COMMENT_BYTES];
    format_account(capture, comment);
    encode_add_lost(&capture->stacks, count_lost(capture), capture->consumer.period_ns);
    capture->status = encode_profile(&capture->stacks, &spec, capture->maps, comment,
                                     &capture->data, &capture->len);
    (void)task_swap_label(label);
}

static void encode_done(struct pool_job *job, int status)
{
    struct cpu_capture *capture = CONTAINER_OF(job, struct cpu_capture, job);
    status = status != 0 ? status : capture->status;
    if (capture->on_done != NULL && status == 0) {
        profiler.stats.captures++;
    }
    finish(capture, status);
}

/* --- the window --- */

static void on_sample(struct sampler_consumer *consumer, const struct ring_sample *sample,
                      const char *name)
{
    struct cpu_capture *capture = CONTAINER_OF(consumer, struct cpu_capture, consumer);
    const struct trace_filter *traces = &capture->options.traces;
    if (sample->period_ns > consumer->period_ns || /* of the time before */
        !trace_filter_takes(traces, &sample->owner.trace)) {
        return;
    }
    const struct stacks_labels labels = {
        .label = sample->owner.label,
        .thread = stacks_name(&capture->stacks, str_from(name)),
        .trace = traces->has_labels ? stacks_trace(&capture->stacks, &sample->owner.trace) : 0,
    };
    const int64_t values[STACKS_VALUES_MAX] = {sample->weight,
                                               (int64_t)sample->weight * sample->period_ns};
    stacks_add(&capture->stacks, sample->frames, sample->frame_count, &labels, values);
    capture->truncated += sample->is_complete ? 0 : sample->weight;
}

/* Makes of the account at the window's start the one of the window. */
static void account(struct cpu_capture *capture)
{
    const struct sampler_stats now = sampler_get_stats();
    capture->sampler.lost = now.lost - capture->sampler.lost;
    capture->sampler.handler_ns = now.handler_ns - capture->sampler.handler_ns;
    capture->sampler.untimed = now.untimed - capture->sampler.untimed;
    capture->sampler.itimer_reason = now.itimer_reason;

    struct cpu_stats *stats = &profiler.stats;
    stats->samples += capture->stacks.total + capture->stacks.dropped;
    stats->lost += capture->sampler.lost + capture->stacks.dropped;
    stats->truncated += capture->truncated;
    stats->threads_untimed += capture->sampler.untimed;
}

/* Ends the sampling, keeps what was taken, and adds it to the profiler's account. */
static void end_window(struct cpu_capture *capture)
{
    sampler_remove(&capture->consumer);
    capture->duration_ns = clock_now_ns() - capture->start_ns;
    uv_close((uv_handle_t *)&capture->window_timer, on_timer_closed);
    account(capture);
}

static void on_window_end(uv_timer_t *timer)
{
    struct cpu_capture *capture = timer->data;
    end_window(capture);
    capture->state = CAPTURE_ENCODING;
    capture->maps = code_get();
    capture->job.work = encode_work;
    capture->job.done = encode_done;
    const int status = pool_submit(profiler.pool, profiler.loop, &capture->job);
    if (status != 0) {
        finish(capture, status);
    }
}

static void begin_window(struct cpu_capture *capture)
{
    (void)uv_timer_init(loop_uv(profiler.loop), &capture->window_timer); /* libuv: cannot fail */
    capture->window_timer.data = capture;
    capture->is_timer_open = true;
    capture->state = CAPTURE_SAMPLING;
    sampler_retry();
    sampler_drain(); /* so that the account has nothing of before */
    capture->sampler = sampler_get_stats();
    capture->wall_ns = clock_wall_ns();
    capture->start_ns = clock_now_ns();
    encode_add_lost(&capture->stacks, 0, capture->consumer.period_ns);
    sampler_add(&capture->consumer);
    capture->sampler.untimed -= capture->sampler.untimed_now; /* these count as well */
    (void)uv_timer_start(&capture->window_timer, on_window_end, capture->options.seconds * 1000, 0);
}

/* --- the door --- */

void cpu_init(struct loop *loop, struct pool *pool)
{
    REQUIRE(profiler.loop == NULL);
    profiler.loop = loop;
    profiler.pool = pool;
}

void cpu_deinit(void)
{
    if (profiler.capture != NULL && profiler.capture->on_done != NULL) {
        cpu_cancel(profiler.capture);
    }
    profiler.loop = NULL;
}

static void on_code_ready(struct code_wait *wait, int status)
{
    struct cpu_capture *capture = CONTAINER_OF(wait, struct cpu_capture, code_wait);
    if (status != 0) {
        finish(capture, status);
    } else {
        begin_window(capture);
    }
}

int cpu_start(const struct cpu_options *options, cpu_done_fn on_done, void *arg,
              struct cpu_capture **ret_capture)
{
    REQUIRE(profiler.loop != NULL && options->seconds > 0 && options->hz > 0 &&
            options->hz <= HZ_MAX && on_done != NULL);
    if (profiler.capture != NULL) {
        return UV_EBUSY;
    }
    struct cpu_capture *capture = calloc(1, sizeof(*capture));
    if (capture == NULL) {
        return UV_ENOMEM;
    }
    capture->code_wait.done = on_code_ready;
    const int status = code_refresh(&capture->code_wait);
    if (status != 0) {
        free(capture);
        return status;
    }
    capture->options = *options;
    capture->on_done = on_done;
    capture->arg = arg;
    capture->consumer = (struct sampler_consumer){
        .period_ns = NS_PER_S / options->hz, .drain_ms = DRAIN_MS, .on_sample = on_sample};
    profiler.capture = capture;
    *ret_capture = capture;
    return 0;
}

void cpu_cancel(struct cpu_capture *capture)
{
    REQUIRE(capture == profiler.capture && capture->on_done != NULL);
    capture->on_done = NULL;
    if (capture->state == CAPTURE_ENCODING) {
        (void)pool_cancel(&capture->job); /* it comes home either way */
        return;
    }
    if (capture->state == CAPTURE_SAMPLING) {
        end_window(capture);
    } else {
        code_cancel(&capture->code_wait);
    }
    finish(capture, UV_ECANCELED);
}

const struct trace_filter *cpu_traces(const struct cpu_capture *capture)
{
    return &capture->options.traces;
}

struct cpu_stats cpu_get_stats(void)
{
    struct cpu_stats stats = profiler.stats;
    stats.handler_ns = sampler_get_stats().handler_ns;
    return stats;
}
