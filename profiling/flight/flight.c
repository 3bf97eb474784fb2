/* SPDX-License-Identifier: MIT
 *
 * flight.c - samples as they come, a trace on a worker thread, and files by themselves.
 */
#include "profiling/flight/flight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/loop/newest.h"
#include "profiling/cpu/sampler.h"
#include "profiling/flight/replay.h"

#define SAMPLES_MAX   2048
#define SAMPLES_PER_S 19
#define DRAIN_MS      100
#define PATH_BYTES    512
#define SUFFIX        ".pftrace"

struct flight_take {
    struct pool_job job;
    struct list link;    /* among those that wait */
    flight_done_fn done; /* NULL: cancelled */
    void *arg;
    uint64_t begin_ns;
    uint64_t end_ns;
    struct replay_sample *samples; /* a copy */
    size_t sample_count;
    struct buf out;
    int status;
};

/* The file of a trigger. */
struct flight_file {
    struct pool_job job;
    const char *reason;
    char *data;
    size_t len;
    char path[PATH_BYTES];
    int status;
};

static struct {
    struct flight_options options;
    bool is_on;
    struct sampler_consumer consumer;
    struct replay_sample *samples; /* the last ones, in a ring */
    uint64_t sample_count;         /* of all that came */
    size_t takes;                  /* that are being made */
    struct list waiting;
    size_t waiting_count;
    struct wheel_timer timer;
    uint64_t written_ns[RECORDER_REASONS]; /* 0: never */
    struct flight_file file;
    bool is_writing;
} flight;

/* --- samples --- */

static void on_sample(struct sampler_consumer *consumer, const struct ring_sample *sample,
                      const char *name)
{
    (void)consumer;
    struct replay_sample *kept = &flight.samples[flight.sample_count % SAMPLES_MAX];
    const uint32_t count = sample->frame_count;
    kept->taken_ns = sample->taken_ns;
    kept->frame_count = count < REPLAY_FRAMES_MAX ? count : REPLAY_FRAMES_MAX;
    memcpy(kept->frames, sample->frames, kept->frame_count * sizeof(kept->frames[0]));
    (void)snprintf(kept->thread, sizeof(kept->thread), "%s", name);
    flight.sample_count++;
}

static void start_samples(void)
{
    flight.samples = calloc(SAMPLES_MAX, sizeof(*flight.samples));
    if (flight.samples != NULL) {
        flight.consumer = (struct sampler_consumer){
            .period_ns = NS_PER_S / SAMPLES_PER_S,
            .drain_ms = DRAIN_MS,
            .on_sample = on_sample,
        };
        list_init(&flight.consumer.link);
        sampler_add(&flight.consumer);
    }
}

static int compare_samples(const void *a, const void *b)
{
    const struct replay_sample *left = a;
    const struct replay_sample *right = b;
    return left->taken_ns < right->taken_ns ? -1 : left->taken_ns > right->taken_ns;
}

/* copy_samples: without memory the trace has none. */
static void copy_samples(struct flight_take *take)
{
    if (flight.samples == NULL) {
        return;
    }
    sampler_drain();
    const size_t count =
        flight.sample_count < SAMPLES_MAX ? (size_t)flight.sample_count : SAMPLES_MAX;
    take->samples = malloc(count * sizeof(*take->samples));
    if (take->samples != NULL) {
        memcpy(take->samples, flight.samples, count * sizeof(*take->samples));
        take->sample_count = count;
    }
}

/* --- a trace, on a worker thread --- */

static int add_ring(const struct flight_take *take, size_t position, struct perfetto *trace)
{
    const struct recorder_ring *ring = recorder_ring_at(position);
    const size_t max = (size_t)ring->mask + 1;
    struct recorder_event *events = malloc(max * sizeof(*events));
    if (events == NULL) {
        return UV_ENOMEM;
    }
    const struct recorder_clock clock = recorder_read_clock();
    const struct replay_options options = {
        .ring = ring,
        .position = position,
        .events = events,
        .event_count = recorder_copy(ring, events, max),
        .samples = take->samples,
        .sample_count = take->sample_count,
        .clock = &clock,
        .begin_ns = take->begin_ns,
        .end_ns = take->end_ns,
    };
    const int status = replay_run(&options, trace);
    free(events);
    return status;
}

static void take_work(struct pool_job *job)
{
    struct flight_take *take = CONTAINER_OF(job, struct flight_take, job);
    struct perfetto *trace = malloc(sizeof(*trace));
    if (trace == NULL) {
        take->status = UV_ENOMEM;
        return;
    }
    if (take->sample_count > 0) {
        qsort(take->samples, take->sample_count, sizeof(*take->samples), compare_samples);
    }
    perfetto_start(trace, &take->out);
    take->status = 0;
    for (size_t i = 0; recorder_ring_at(i) != NULL && take->status == 0; i++) {
        take->status = add_ring(take, i, trace);
    }
    const int status = perfetto_end(trace);
    take->status = take->status == 0 ? status : take->status;
    free(trace);
}

/* end_take tells who asked, and frees the take. */
static void end_take(struct flight_take *take, int status)
{
    const size_t len = take->out.len;
    char *data = status == 0 && take->done != NULL ? buf_steal(&take->out) : NULL;
    const flight_done_fn done = take->done;
    void *arg = take->arg;
    buf_deinit(&take->out);
    free(take->samples);
    free(take);
    if (done != NULL) {
        done(arg, status, data, data == NULL ? 0 : len);
    }
}

static int begin_take(struct flight_take *take);

/* begin_next begins those that wait, as far as there is room; their pasts are those that they were
 * asked for. */
static void begin_next(void)
{
    while (flight.takes < FLIGHT_TAKES_MAX && !list_is_empty(&flight.waiting)) {
        struct flight_take *take = CONTAINER_OF(flight.waiting.next, struct flight_take, link);
        list_unlink(&take->link);
        flight.waiting_count--;
        const int status = begin_take(take);
        if (status < 0) {
            end_take(take, status);
        }
    }
}

static void take_done(struct pool_job *job, int status)
{
    struct flight_take *take = CONTAINER_OF(job, struct flight_take, job);
    flight.takes--;
    end_take(take, status == 0 ? take->status : status);
    begin_next();
}

static int begin_take(struct flight_take *take)
{
    copy_samples(take);
    const int status = pool_submit(flight.options.pool, flight.options.loop, &take->job);
    flight.takes += status == 0 ? 1 : 0;
    return status;
}

int flight_take_start(uint64_t ago_ns, flight_done_fn done, void *arg,
                      struct flight_take **ret_take)
{
    if (!flight.is_on || recorder_ring_at(0) == NULL) {
        return UV_ENOENT;
    }
    const bool must_wait = flight.takes >= FLIGHT_TAKES_MAX;
    if (must_wait && flight.waiting_count == FLIGHT_WAITING_MAX) {
        return UV_EBUSY;
    }
    struct flight_take *take = calloc(1, sizeof(*take));
    if (take == NULL) {
        return UV_ENOMEM;
    }
    take->job.work = take_work;
    take->job.done = take_done;
    take->done = done;
    take->arg = arg;
    take->end_ns = clock_now_ns();
    take->begin_ns = ago_ns < take->end_ns ? take->end_ns - ago_ns : 0;
    buf_init(&take->out, FLIGHT_BYTES_MAX);
    list_init(&take->link);
    if (must_wait) {
        list_push_back(&flight.waiting, &take->link);
        flight.waiting_count++;
    } else {
        const int status = begin_take(take);
        if (status < 0) {
            free(take->samples);
            free(take);
            return status;
        }
    }
    *ret_take = take;
    return 0;
}

void flight_take_cancel(struct flight_take *take)
{
    take->done = NULL;
    if (!list_is_empty(&take->link)) {
        list_unlink(&take->link);
        flight.waiting_count--;
        end_take(take, UV_ECANCELED);
    }
}

/* --- files --- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        const ssize_t count = write(fd, data, len);
        if (count < 0 && errno != EINTR) {
            return -errno;
        }
        data += count > 0 ? count : 0;
        len -= (size_t)(count > 0 ? count : 0);
    }
    return 0;
}

/* write_file leaves no part of a file behind. */
static void write_file(struct pool_job *job)
{
    struct flight_file *file = CONTAINER_OF(job, struct flight_file, job);
    newest_keep(flight.options.dir, "flight-", SUFFIX, FLIGHT_FILES_MAX - 1);
    const int fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    file->status = fd < 0 ? -errno : write_all(fd, file->data, file->len);
    if (fd >= 0) {
        (void)close(fd);
        if (file->status < 0) {
            (void)unlink(file->path);
        }
    }
}

static void end_file(struct flight_file *file, int status)
{
    if (flight.options.on_file != NULL) {
        flight.options.on_file(file->reason, file->path, status);
    }
    free(file->data);
    file->data = NULL;
    flight.is_writing = false;
}

static void on_written(struct pool_job *job, int status)
{
    struct flight_file *file = CONTAINER_OF(job, struct flight_file, job);
    end_file(file, status == 0 ? file->status : status);
}

static void on_taken(void *arg, int status, char *data, size_t len)
{
    struct flight_file *file = arg;
    if (status == 0) {
        file->data = data;
        file->len = len;
        file->job.work = write_file;
        file->job.done = on_written;
        status = pool_submit(flight.options.pool, flight.options.loop, &file->job);
    }
    if (status < 0) {
        end_file(file, status);
    }
}

static void begin_file(const char *reason)
{
    struct flight_take *take;
    struct flight_file *file = &flight.file;
    file->reason = reason;
    (void)snprintf(file->path, sizeof(file->path), "%s/flight-%llu-%s" SUFFIX, flight.options.dir,
                   (unsigned long long)(clock_wall_ns() / NS_PER_MS), reason);
    flight.is_writing = true;
    const int status = flight_take_start(FLIGHT_FILE_S * NS_PER_S, on_taken, file, &take);
    if (status < 0) {
        end_file(file, status);
    }
}

/* --- triggers --- */

static bool is_due(size_t reason, uint64_t now_ns)
{
    return flight.written_ns[reason] == 0 ||
           now_ns - flight.written_ns[reason] >= FLIGHT_PAUSE_MS * NS_PER_MS;
}

static void on_timer(struct wheel_timer *timer)
{
    const uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < RECORDER_REASONS && !flight.is_writing; i++) {
        if (recorder_take_trigger((enum recorder_reason)i) && is_due(i, now_ns)) {
            flight.written_ns[i] = now_ns;
            begin_file(recorder_reason_name((enum recorder_reason)i));
        }
    }
    loop_set_timer(flight.options.loop, timer, WHEEL_TICK_MS);
}

void flight_start(const struct flight_options *options)
{
    flight.options = *options;
    flight.is_on = true;
    list_init(&flight.waiting);
    if (options->has_samples) {
        start_samples();
    }
    wheel_timer_init(&flight.timer, on_timer);
    if (options->dir[0] != '\0') {
        loop_set_timer(options->loop, &flight.timer, WHEEL_TICK_MS);
    }
}

void flight_stop(void)
{
    if (!flight.is_on) {
        return;
    }
    flight.is_on = false;
    wheel_unset(&flight.timer);
    while (!list_is_empty(&flight.waiting)) {
        struct flight_take *take = CONTAINER_OF(flight.waiting.next, struct flight_take, link);
        list_unlink(&take->link);
        flight.waiting_count--;
        end_take(take, UV_ECANCELED);
    }
    if (flight.samples != NULL) {
        sampler_remove(&flight.consumer);
        free(flight.samples);
        flight.samples = NULL;
    }
}
