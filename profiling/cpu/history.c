/* SPDX-License-Identifier: MIT
 *
 * history.c - the current window, the ring of earlier ones, and their readers.
 *
 * A full window never changes, so readers share its stacks with the ring, and a worker thread needs
 * no lock; the current window is copied for readers. Each window begins where the one before ended.
 */
#include "profiling/cpu/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/cpu/history_columns.h"
#include "profiling/cpu/history_window.h"
#include "profiling/cpu/sampler.h"
#include "profiling/write/encode.h"

#define DRAIN_MS        1000 /* seldom wakes an idle process; the rings hold five times as much */
#define REFRESH_WINDOWS 6    /* between two looks for new libraries */
#define COMMENT_BYTES   384

struct history_read {
    struct list link;
    struct code_wait code_wait;
    struct pool_job job;
    bool is_encoding;        /* a worker may have it */
    history_done_fn on_done; /* NULL: cancelled */
    void *arg;
    const struct maps *maps; /* code_get's */
    int itimer_reason;       /* struct sampler_stats', of now */
    int status;              /* of the job */
    char *data;
    size_t len;
    bool is_columns; /* what is made of the windows: history_read_columns, or a profile ... */
    struct history_interval interval; /* ... of this time */
    uint64_t wall_ns;                 /* of its end */
    uint64_t now_ms;                  /* when it was asked for, on the wall's clock */
    size_t count;
    struct history_window windows[];
};

static struct {
    struct history_options options;
    bool is_on;
    struct sampler_consumer consumer; /* linked: samples are taken */
    struct code_wait code_wait;
    bool is_refreshing; /* code_wait is out */
    size_t until_refresh;

    struct history_window *ring;
    size_t first;
    size_t count;
    size_t bytes; /* of the ring's stacks */

    struct history_window window; /* being filled */
    struct history_kept kept;     /* what it has so far */
    uint64_t drained_ns;          /* last */
    uint64_t lost_before;         /* the sampler's, when the window began */

    struct list reads; /* not cancelled */
    size_t read_count; /* cancelled ones included */
    uint64_t samples;
    uint64_t lost;
} history = {.reads = {&history.reads, &history.reads}};

/* --- windows --- */

static struct history_window *window_at(size_t i)
{
    return &history.ring[(history.first + i) % history.options.windows];
}

/* Returns: 0 before the first window. */
static uint64_t oldest_start_ns(void)
{
    return history.count > 0 ? window_at(0)->start_ns : history.window.start_ns;
}

static void drop_oldest(void)
{
    const struct history_window *oldest = window_at(0);
    history.bytes -= history_window_bytes(oldest);
    history_window_put(oldest);
    history.first = (history.first + 1) % history.options.windows;
    history.count--;
}

static void begin_window(uint64_t now_ns)
{
    history.window = (struct history_window){.wall_ns = clock_wall_ns(), .start_ns = now_ns};
    history.drained_ns = now_ns;
    history.lost_before = sampler_get_stats().lost;
}

/* The window so far, as one that is full. Without memory for its stacks they are lost. */
static struct history_window copy_window(uint64_t now_ns)
{
    struct history_window window = history.window;
    window.end_ns = now_ns;
    window.lost += sampler_get_stats().lost - history.lost_before;
    if (history.kept.event_count == 0) {
        return window;
    }
    window.kept = calloc(1, sizeof(*window.kept));
    if (window.kept != NULL && !history_kept_copy(&history.kept, window.kept)) {
        free(window.kept);
        window.kept = NULL;
    }
    if (window.kept == NULL) {
        window.lost += history.kept.stacks.total;
    }
    return window;
}

static void end_window(uint64_t now_ns)
{
    const struct history_window window = copy_window(now_ns);
    history_kept_deinit(&history.kept);
    history.lost += window.lost;
    if (history.count == history.options.windows) {
        drop_oldest();
    }
    *window_at(history.count) = window;
    history.count++;
    history.bytes += history_window_bytes(&window);
    while (history.bytes > history.options.bytes_max) {
        drop_oldest();
    }
}

static void on_sample(struct sampler_consumer *consumer, const struct ring_sample *sample,
                      const char *name)
{
    (void)consumer;
    /* It was taken at some time since the last drain. */
    const uint64_t middle_ns = history.drained_ns + (clock_now_ns() - history.drained_ns) / 2;
    const uint64_t offset_ms = (middle_ns - history.window.start_ns) / NS_PER_MS;
    if (!history_kept_add(&history.kept, sample, name, (uint32_t)offset_ms)) {
        history.window.lost += sample->weight;
        return;
    }
    history.samples += sample->weight;
    history.window.samples += sample->weight;
    history.window.truncated += sample->is_complete ? 0 : sample->weight;
}

static void on_refreshed(struct code_wait *wait, int status)
{
    (void)wait;
    (void)status; /* the old tables stay */
    history.is_refreshing = false;
}

/* Libraries may have come since the last time. */
static void refresh_code(void)
{
    history.until_refresh--;
    if (history.until_refresh == 0) {
        history.until_refresh = REFRESH_WINDOWS;
        history.code_wait.done = on_refreshed;
        history.is_refreshing = history.is_refreshing || code_refresh(&history.code_wait) == 0;
    }
}

static void on_drained(struct sampler_consumer *consumer)
{
    (void)consumer;
    const uint64_t now_ns = clock_now_ns();
    history.drained_ns = now_ns;
    if (now_ns - history.window.start_ns >= history.options.window_ms * NS_PER_MS) {
        end_window(now_ns);
        begin_window(now_ns);
        sampler_retry();
        refresh_code();
    }
}

/* --- the profile, on a worker thread --- */

static uint64_t count_lost(const struct history_read *read)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < read->count; i++) {
        lost += read->windows[i].lost;
    }
    return lost;
}

/* samples: in the profile. */
static void format_account(const struct history_read *read, uint64_t samples, char *out)
{
    uint64_t truncated = 0;
    for (size_t i = 0; i < read->count; i++) {
        truncated += read->windows[i].truncated;
    }
    char itimer[SAMPLER_ITIMER_BYTES];
    sampler_format_itimer(read->itimer_reason, itimer);
    char start[CLOCK_RFC3339_BYTES];
    char end[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(read->wall_ns - (read->interval.end_ns - read->interval.start_ns), start);
    clock_format_rfc3339(read->wall_ns, end);
    (void)snprintf(out, COMMENT_BYTES,
                   "toq: history from %s to %s, windows: %zu; %" PRIu64 " samples, %" PRIu64
                   " lost, %" PRIu64 " truncated%s",
                   start, end, read->count, samples, count_lost(read), truncated, itimer);
}

static void encode_profile_of(struct history_read *read)
{
    const uint64_t duration_ns = read->interval.end_ns - read->interval.start_ns;
    const struct profile_spec spec = {
        .types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
        .type_count = 2,
        .period_type = {"cpu", "nanoseconds"},
        .period = NS_PER_S / HISTORY_HZ,
        .time_ns = read->wall_ns - duration_ns,
        .duration_ns = duration_ns,
        .has_profile_id = true,
    };
    struct stacks merged = {0};
    encode_add_lost(&merged, count_lost(read), NS_PER_S / HISTORY_HZ);
    for (size_t i = 0; i < read->count; i++) {
        history_window_merge(&read->windows[i], &read->interval, &merged);
    }
    char comment[COMMENT_BYTES];
    format_account(read, merged.total - count_lost(read), comment);
    read->status = encode_profile(&merged, &spec, read->maps, comment, &read->data, &read->len);
    stacks_deinit(&merged);
}

static void encode_columns_of(struct history_read *read)
{
    const struct history_columns columns = {
        .windows = read->windows,
        .window_count = read->count,
        .start_ns = read->interval.start_ns,
        .seconds = (read->interval.end_ns - read->interval.start_ns) / NS_PER_S,
        .wall_ns = read->wall_ns - (read->interval.end_ns - read->interval.start_ns),
        .now_ms = read->now_ms,
    };
    struct buf text;
    buf_init(&text, HISTORY_COLUMNS_MAX_BYTES);
    read->status = history_columns_write(&columns, &text);
    read->data = read->status == 0 ? malloc(text.len) : NULL;
    if (read->data != NULL) {
        memcpy(read->data, buf_str(&text).ptr, text.len);
        read->len = text.len;
    } else {
        read->status = UV_ENOMEM;
    }
    buf_deinit(&text);
}

static void encode_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct history_read *read = CONTAINER_OF(job, struct history_read, job);
    if (read->is_columns) {
        encode_columns_of(read);
    } else {
        encode_profile_of(read);
    }
    (void)task_swap_label(label);
}

/* --- readers --- */

static void free_read(struct history_read *read)
{
    for (size_t i = 0; i < read->count; i++) {
        history_window_put(&read->windows[i]);
    }
    list_unlink(&read->link);
    code_put(read->maps);
    free(read->data);
    free(read);
    history.read_count--;
}

static void finish(struct history_read *read, int status)
{
    if (read->on_done != NULL) {
        read->on_done(read->arg, status, status == 0 ? read->data : NULL,
                      status == 0 ? read->len : 0);
    }
    free_read(read);
}

static void encode_done(struct pool_job *job, int status)
{
    struct history_read *read = CONTAINER_OF(job, struct history_read, job);
    finish(read, status == 0 ? read->status : status);
}

static void on_code_ready(struct code_wait *wait, int status)
{
    struct history_read *read = CONTAINER_OF(wait, struct history_read, code_wait);
    read->maps = code_get();
    read->job.work = encode_work;
    read->job.done = encode_done;
    status =
        status == 0 ? pool_submit(history.options.pool, history.options.loop, &read->job) : status;
    if (status != 0) {
        finish(read, status);
    } else {
        read->is_encoding = true;
    }
}

/* Adds the windows that overlap the time. */
static void add_windows(struct history_read *read)
{
    const uint64_t start_ns = read->interval.start_ns;
    const uint64_t end_ns = read->interval.end_ns;
    for (size_t i = 0; i < history.count; i++) {
        const struct history_window *window = window_at(i);
        if (window->end_ns > start_ns && window->start_ns < end_ns) {
            read->windows[read->count++] = *window;
            if (window->kept != NULL) {
                window->kept->users++;
            }
        }
    }
    if (history.window.start_ns < end_ns) {
        read->windows[read->count++] = copy_window(clock_now_ns());
    }
    INVARIANT(read->count > 0); /* the windows follow each other without a gap */
}

static int begin_read(const struct history_interval *interval, bool is_columns,
                      history_done_fn on_done, void *arg, struct history_read **ret_read)
{
    if (history.read_count == HISTORY_READS_MAX) {
        return UV_EBUSY;
    }
    struct history_read *read =
        calloc(1, sizeof(*read) + (history.count + 1) * sizeof(read->windows[0]));
    if (read == NULL) {
        return UV_ENOMEM;
    }
    read->code_wait.done = on_code_ready;
    const int status = code_refresh(&read->code_wait);
    if (status != 0) {
        free(read);
        return status;
    }
    const struct sampler_stats sampler = sampler_get_stats();
    read->itimer_reason = sampler.untimed_now > 0 ? sampler.itimer_reason : 0;
    read->on_done = on_done;
    read->arg = arg;
    read->is_columns = is_columns;
    read->interval = *interval;
    read->wall_ns = clock_wall_ns() - (clock_now_ns() - interval->end_ns);
    read->now_ms = clock_wall_ns() / NS_PER_MS;
    list_push_back(&history.reads, &read->link);
    history.read_count++;
    add_windows(read);
    *ret_read = read;
    return 0;
}

int history_read(const struct history_interval *interval, history_done_fn on_done, void *arg,
                 struct history_read **ret_read)
{
    REQUIRE(history.is_on && interval->end_ns > interval->start_ns &&
            interval->start_ns <= clock_now_ns() && on_done != NULL);
    sampler_drain(); /* may end a window, and drop another */
    if (oldest_start_ns() == 0 || interval->start_ns < oldest_start_ns()) {
        return UV_ERANGE;
    }
    struct history_interval past = *interval;
    const uint64_t now_ns = clock_now_ns();
    past.end_ns = past.end_ns < now_ns ? past.end_ns : now_ns;
    return begin_read(&past, false, on_done, arg, ret_read);
}

int history_read_columns(history_done_fn on_done, void *arg, struct history_read **ret_read)
{
    REQUIRE(history.is_on && on_done != NULL);
    const uint64_t end_ns = history.drained_ns; /* so that no second is cut by a drain */
    const uint64_t start_ns = oldest_start_ns();
    if (start_ns == 0 || end_ns - start_ns < NS_PER_S) {
        return UV_ERANGE;
    }
    const uint64_t length_ns = (end_ns - start_ns) / NS_PER_S * NS_PER_S;
    const struct history_interval interval = {.start_ns = end_ns - length_ns, .end_ns = end_ns};
    return begin_read(&interval, true, on_done, arg, ret_read);
}

void history_cancel(struct history_read *read)
{
    REQUIRE(read->on_done != NULL);
    read->on_done = NULL;
    if (read->is_encoding) {
        list_unlink(&read->link);
        (void)pool_cancel(&read->job); /* it comes home either way */
    } else {
        code_cancel(&read->code_wait);
        free_read(read);
    }
}

/* --- start and stop --- */

static void on_code_known(struct code_wait *wait, int status)
{
    on_refreshed(wait, status);
    if (status == UV_ECANCELED) {
        return;
    }
    history.consumer = (struct sampler_consumer){
        .period_ns = NS_PER_S / HISTORY_HZ,
        .drain_ms = history.options.window_ms < DRAIN_MS ? history.options.window_ms : DRAIN_MS,
        .on_sample = on_sample,
        .on_drained = on_drained,
    };
    begin_window(clock_now_ns());
    sampler_add(&history.consumer);
}

int history_start(const struct history_options *options)
{
    REQUIRE(!history.is_on && options->windows > 0 && options->window_ms > 0);
    history.options = *options;
    list_init(&history.consumer.link);
    history.until_refresh = REFRESH_WINDOWS;
    history.ring = calloc(options->windows, sizeof(*history.ring));
    if (history.ring == NULL) {
        return UV_ENOMEM;
    }
    history.code_wait.done = on_code_known;
    if (code_refresh(&history.code_wait) != 0) {
        free(history.ring);
        history.ring = NULL;
        return UV_ENOMEM;
    }
    history.is_refreshing = true;
    history.is_on = true;
    return 0;
}

void history_stop(void)
{
    if (!history.is_on) {
        return;
    }
    history.is_on = false;
    while (!list_is_empty(&history.reads)) {
        history_cancel(CONTAINER_OF(history.reads.next, struct history_read, link));
    }
    if (!list_is_empty(&history.consumer.link)) {
        sampler_remove(&history.consumer);
    }
    if (history.is_refreshing) {
        code_cancel(&history.code_wait);
        history.is_refreshing = false;
    }
    while (history.count > 0) {
        drop_oldest();
    }
    free(history.ring);
    history.ring = NULL;
    history.first = 0;
    history_kept_deinit(&history.kept);
    history.window = (struct history_window){0};
}

bool history_is_on(void)
{
    return history.is_on;
}

uint64_t history_get_span_ns(void)
{
    const uint64_t start_ns = oldest_start_ns();
    return start_ns == 0 ? 0 : clock_now_ns() - start_ns;
}

struct history_stats history_get_stats(void)
{
    return (struct history_stats){
        .samples = history.samples,
        .lost = history.lost,
        .windows = history.count,
        .bytes = history.bytes + history_kept_bytes(&history.kept) +
                 (history.is_on ? history.options.windows * sizeof(*history.ring) : 0),
    };
}
