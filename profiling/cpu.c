/* SPDX-License-Identifier: MIT
 *
 * cpu.c - one capture at a time, as a state machine on the loop.
 *
 * Flow:    cpu_start -> [worker] refresh -> begin_window -> on_drain every 100 ms -> on_window_end
 *          -> [worker] encode -> on_done
 * Failure: whatever goes wrong ends the capture with UV_ENOMEM; a cancelled one ends silently.
 * Memory:  a capture is freed when its timers are closed and no worker holds it.
 */
#include "profiling/cpu.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/loop/task.h"
#include "profiling/maps.h"
#include "profiling/profile.h"
#include "profiling/stacks.h"
#include "profiling/symbol.h"
#include "profiling/threads.h"

#define DRAIN_MS      100
#define ARM_MS        1 /* between two drains while there are threads to arm */
#define HZ_MAX        1000
#define COMMENT_BYTES 256

enum capture_state { CAPTURE_PREPARING, CAPTURE_SAMPLING, CAPTURE_ENCODING, CAPTURE_ENDED };

struct cpu_capture {
    enum capture_state state;
    uint64_t seconds;
    unsigned hz;
    cpu_done_fn on_done; /* NULL: cancelled */
    void *arg;

    uv_timer_t drain_timer;
    uv_timer_t window_timer;
    int open_timers;

    struct threads threads;
    struct stacks stacks;
    uint64_t truncated; /* weight of stacks that do not reach the thread's start */
    uint64_t wall_ns;   /* when the window began: wall clock, and the loop's */
    uint64_t start_ns;
    uint64_t duration_ns;

    struct loop_job job;
    const struct maps *maps; /* the profiler's, which stay while the job runs */
    int status;              /* of the job */
    char *data;
    size_t len;
};

/* A look on a worker thread at what is mapped, and a new table when that has changed. */
struct refresh {
    struct loop_job job;
    const struct maps *known; /* the profiler's, or NULL; it stays while the job runs */
    struct maps *maps;        /* what was made; NULL: nothing changed */
    struct unwind_table *table;
    int status;
};

static struct {
    struct loop *loop; /* NULL: not started */
    struct maps *maps; /* what `table` was made from */
    struct unwind_table *table;
    struct refresh *refresh;     /* the one that runs, or NULL */
    struct cpu_capture *capture; /* the one that runs, or whose data a worker holds, or NULL */
    struct cpu_stats stats;
} profiler;

/* ---- what is known of the process's code ------------------------------------------------------
 */

static void free_tables(void)
{
    /* Only a handler that was interrupted in its few microseconds makes this wait. */
    cpu_signal_disable();
    while (cpu_signal_is_running()) {
        (void)sched_yield();
    }
    unwind_table_destroy(profiler.table);
    maps_destroy(profiler.maps);
    profiler.table = NULL;
    profiler.maps = NULL;
}

/* After profiling_stop the last worker that comes home frees what it may have been reading. */
static void free_if_stopped(void)
{
    if (profiler.loop == NULL && profiler.refresh == NULL && profiler.capture == NULL) {
        free_tables();
        symbol_stop();
    }
}

static void refresh_work(struct loop_job *job)
{
    struct refresh *refresh = CONTAINER_OF(job, struct refresh, job);
    struct maps *maps;
    refresh->status = maps_create(&maps);
    if (refresh->status != 0) {
        return;
    }
    if (refresh->known == NULL || !maps_is_equal(maps, refresh->known)) {
        refresh->status = unwind_table_create(maps, &refresh->table);
    }
    if (refresh->table == NULL) {
        maps_destroy(maps);
        return;
    }
    refresh->maps = maps;
}

static void begin_window(struct cpu_capture *capture);
static void finish(struct cpu_capture *capture, int status);

static void refresh_done(struct loop_job *job, int status)
{
    struct refresh *refresh = CONTAINER_OF(job, struct refresh, job);
    profiler.refresh = NULL;
    status = status != 0 ? status : refresh->status;
    struct cpu_capture *capture = profiler.capture;
    if (capture != NULL && capture->state == CAPTURE_ENCODING) {
        /* Stopped and started again while a worker reads the old maps: the next look will do. */
        unwind_table_destroy(refresh->table);
        maps_destroy(refresh->maps);
    } else if (refresh->maps != NULL) {
        free_tables();
        profiler.maps = refresh->maps;
        profiler.table = refresh->table;
    }
    free(refresh);
    free_if_stopped();
    if (capture == NULL || capture->state != CAPTURE_PREPARING) {
        return;
    }
    if (status != 0) {
        finish(capture, UV_ENOMEM);
    } else {
        begin_window(capture);
    }
}

static int start_refresh(void)
{
    if (profiler.refresh != NULL) {
        return 0; /* its news will do */
    }
    struct refresh *refresh = calloc(1, sizeof(*refresh));
    if (refresh == NULL) {
        return UV_ENOMEM;
    }
    refresh->job.work = refresh_work;
    refresh->job.done = refresh_done;
    refresh->known = profiler.maps;
    int status = loop_submit(profiler.loop, &refresh->job);
    if (status != 0) {
        free(refresh);
        return UV_ENOMEM;
    }
    profiler.refresh = refresh;
    return 0;
}

/* ---- the end of a capture ---------------------------------------------------------------------
 */

static void free_if_idle(struct cpu_capture *capture)
{
    if (capture->state == CAPTURE_ENDED && capture->open_timers == 0) {
        free(capture);
    }
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct cpu_capture *capture = handle->data;
    capture->open_timers--;
    free_if_idle(capture);
}

/* The capture is over, its last worker home: only closing timers may keep its memory. */
static void finish(struct cpu_capture *capture, int status)
{
    profiler.capture = NULL;
    if (capture->on_done != NULL) {
        capture->on_done(capture->arg, status, status == 0 ? capture->data : NULL,
                         status == 0 ? capture->len : 0);
    }
    stacks_deinit(&capture->stacks);
    free(capture->data);
    capture->state = CAPTURE_ENDED;
    free_if_idle(capture);
    free_if_stopped();
}

/* ---- the profile, on a worker thread ----------------------------------------------------------
 */

static void add_comments(struct profile *profile, const struct cpu_capture *capture)
{
    char text[COMMENT_BYTES];
    (void)snprintf(text, sizeof(text),
                   "toq: %" PRIu64 " samples, %" PRIu64 " lost, %" PRIu64 " truncated, %" PRIu64
                   " threads without a timer, %" PRIu64 " us in the signal handler",
                   capture->stacks.total, capture->threads.lost + capture->stacks.dropped,
                   capture->truncated, capture->threads.untimed,
                   capture->threads.handler_ns / NS_PER_US);
    profile_add_comment(profile, text);
}

static void add_sample(struct profile *profile, const struct cpu_capture *capture,
                       const struct stacks_sample *sample)
{
    uint64_t frames[RING_FRAMES_MAX];
    size_t frame_count = stacks_read(&capture->stacks, sample->leaf, frames, RING_FRAMES_MAX);
    struct label label = label_get(sample->label);
    struct profile_label labels[3];
    size_t label_count = 0;
    if (label.route != NULL) {
        labels[label_count++] = (struct profile_label){.key = "route", .text = label.route};
    }
    if (label.method != NULL) {
        labels[label_count++] = (struct profile_label){.key = "method", .text = label.method};
    }
    labels[label_count++] =
        (struct profile_label){.key = "thread", .text = capture->threads.names[sample->thread]};
    int64_t values[] = {(int64_t)sample->count,
                        (int64_t)(sample->count * capture->threads.period_ns)};
    profile_add_sample(profile, frames, frame_count, values, labels, label_count);
}

static void encode_work(struct loop_job *job)
{
    struct cpu_capture *capture = CONTAINER_OF(job, struct cpu_capture, job);
    struct profile_spec spec = {
        .types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
        .type_count = 2,
        .period_type = {"cpu", "nanoseconds"},
        .period = (int64_t)capture->threads.period_ns,
        .time_ns = capture->wall_ns,
        .duration_ns = capture->duration_ns,
    };
    struct profile *profile;
    capture->status = profile_create(&spec, capture->maps, &profile);
    if (capture->status != 0) {
        return;
    }
    for (size_t i = 0; i < capture->stacks.sample_count; i++) {
        add_sample(profile, capture, &capture->stacks.samples[i]);
    }
    add_comments(profile, capture);
    capture->status = profile_encode(profile, &capture->data, &capture->len);
    profile_destroy(profile);
}

static void encode_done(struct loop_job *job, int status)
{
    struct cpu_capture *capture = CONTAINER_OF(job, struct cpu_capture, job);
    status = status != 0 ? status : capture->status;
    if (capture->on_done != NULL && status == 0) {
        profiler.stats.captures++;
    }
    finish(capture, status == 0 ? 0 : UV_ENOMEM);
}

/* ---- the window -------------------------------------------------------------------------------
 */

static void on_sample(void *arg, const struct ring_sample *sample, uint32_t name)
{
    struct cpu_capture *capture = arg;
    stacks_add(&capture->stacks, sample->frames, sample->frame_count, sample->label, name,
               sample->weight);
    capture->truncated += sample->is_complete ? 0 : sample->weight;
}

static void on_drain(uv_timer_t *timer);

static void schedule_drain(struct cpu_capture *capture)
{
    const uint64_t delay_ms = capture->threads.has_more ? ARM_MS : DRAIN_MS;
    (void)uv_timer_start(&capture->drain_timer, on_drain, delay_ms, 0);
}

static void on_drain(uv_timer_t *timer)
{
    struct cpu_capture *capture = timer->data;
    threads_poll(&capture->threads);
    schedule_drain(capture);
}

/* Ends the sampling, keeps what was taken, and adds it to the profiler's account. */
static void end_window(struct cpu_capture *capture)
{
    threads_disarm(&capture->threads);
    cpu_signal_disable();
    capture->duration_ns = clock_now_ns() - capture->start_ns;
    threads_deinit(&capture->threads);
    uv_close((uv_handle_t *)&capture->drain_timer, on_timer_closed);
    uv_close((uv_handle_t *)&capture->window_timer, on_timer_closed);

    struct cpu_stats *stats = &profiler.stats;
    stats->samples += capture->stacks.total + capture->stacks.dropped;
    stats->lost += capture->threads.lost + capture->stacks.dropped;
    stats->truncated += capture->truncated;
    stats->threads_untimed += capture->threads.untimed;
    stats->handler_ns += capture->threads.handler_ns;
}

static void on_window_end(uv_timer_t *timer)
{
    struct cpu_capture *capture = timer->data;
    end_window(capture);
    capture->state = CAPTURE_ENCODING;
    capture->maps = profiler.maps;
    capture->job.work = encode_work;
    capture->job.done = encode_done;
    if (loop_submit(profiler.loop, &capture->job) != 0) {
        finish(capture, UV_ENOMEM);
    }
}

static int open_timer(struct cpu_capture *capture, uv_timer_t *timer)
{
    int status = uv_timer_init(loop_uv(profiler.loop), timer);
    timer->data = capture;
    capture->open_timers += status == 0;
    return status;
}

static void begin_window(struct cpu_capture *capture)
{
    (void)open_timer(capture, &capture->drain_timer); /* libuv: these cannot fail */
    (void)open_timer(capture, &capture->window_timer);
    capture->state = CAPTURE_SAMPLING;
    capture->wall_ns = clock_wall_ns();
    capture->start_ns = clock_now_ns();
    cpu_signal_enable(profiler.table);
    threads_arm(&capture->threads);
    uv_update_time(loop_uv(profiler.loop));
    schedule_drain(capture);
    (void)uv_timer_start(&capture->window_timer, on_window_end, capture->seconds * 1000, 0);
}

/* ---- the door ---------------------------------------------------------------------------------
 */

int profiling_start(struct loop *loop)
{
    REQUIRE(profiler.loop == NULL);
    if (cpu_signal_install() != 0) {
        return UV_ENOMEM;
    }
    profiler.loop = loop;
    int status = start_refresh();
    if (status != 0) {
        profiler.loop = NULL;
    }
    return status;
}

void profiling_stop(void)
{
    if (profiler.capture != NULL && profiler.capture->on_done != NULL) {
        cpu_cancel(profiler.capture);
    }
    profiler.loop = NULL;
    free_if_stopped();
}

int cpu_start(uint64_t seconds, unsigned hz, cpu_done_fn on_done, void *arg,
              struct cpu_capture **ret_capture)
{
    REQUIRE(profiler.loop != NULL && seconds > 0 && hz > 0 && hz <= HZ_MAX && on_done != NULL);
    if (profiler.capture != NULL) {
        return UV_EBUSY;
    }
    struct cpu_capture *capture = calloc(1, sizeof(*capture));
    if (capture == NULL || start_refresh() != 0) {
        free(capture);
        return UV_ENOMEM;
    }
    capture->seconds = seconds;
    capture->hz = hz;
    capture->on_done = on_done;
    capture->arg = arg;
    capture->threads.period_ns = NS_PER_S / hz;
    capture->threads.main_label = &task_current_label;
    capture->threads.on_sample = on_sample;
    capture->threads.arg = capture;
    profiler.capture = capture;
    *ret_capture = capture;
    return 0;
}

void cpu_cancel(struct cpu_capture *capture)
{
    REQUIRE(capture == profiler.capture && capture->on_done != NULL);
    capture->on_done = NULL;
    if (capture->state == CAPTURE_ENCODING) {
        (void)uv_cancel((uv_req_t *)&capture->job.req); /* it comes home either way */
        return;
    }
    if (capture->state == CAPTURE_SAMPLING) {
        end_window(capture);
    }
    finish(capture, UV_ECANCELED);
}

struct cpu_stats cpu_get_stats(void)
{
    return profiler.stats;
}
