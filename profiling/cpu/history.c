/* SPDX-License-Identifier: MIT
 *
 * history.c - the window that is being filled, the ring of those before it, and who reads them.
 *
 * A full window never changes, so readers share its stacks with the ring and a worker thread needs
 * no lock; the one that is being filled is copied for them. Each window begins where the one before
 * ended.
 */
#include "profiling/cpu/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/loop/label.h"
#include "core/loop/task.h"
#include "profiling/code/code.h"
#include "profiling/cpu/sampler.h"
#include "profiling/write/encode.h"

#define DRAIN_MS        1000 /* seldom wakes an idle process; the rings hold five times as much */
#define REFRESH_WINDOWS 6    /* between two looks for new libraries */
#define COMMENT_BYTES   384

/* The stacks of a full window, shared between the ring and its readers. */
struct kept {
    size_t users;
    struct stacks stacks;
};

struct window {
    uint64_t wall_ns; /* its start, on the wall's clock and on the loop's */
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t samples;
    uint64_t lost;
    uint64_t truncated; /* weight of stacks that do not reach the thread's start */
    struct kept *kept;  /* NULL: no samples */
};

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
    size_t count;
    struct window windows[];
};

static struct {
    struct history_options options;
    bool is_on;
    struct sampler_consumer consumer; /* linked: samples are taken */
    struct code_wait code_wait;
    bool is_refreshing; /* code_wait is out */
    size_t until_refresh;

    struct window *ring;
    size_t first;
    size_t count;
    size_t bytes; /* of the ring's stacks */

    struct window window; /* being filled */
    struct stacks stacks;
    uint64_t lost_before; /* the sampler's, when the window began */

    struct list reads; /* not cancelled */
    size_t read_count; /* cancelled ones included */
    uint64_t samples;
    uint64_t lost;
} history = {.reads = {&history.reads, &history.reads}};

/* ---- windows ----------------------------------------------------------------------------------
 */

static size_t bytes_of(const struct window *window)
{
    return window->kept == NULL ? 0 : sizeof(struct kept) + stacks_bytes(&window->kept->stacks);
}

static void put_window(const struct window *window)
{
    if (window->kept != NULL && --window->kept->users == 0) {
        stacks_deinit(&window->kept->stacks);
        free(window->kept);
    }
}

static struct window *window_at(size_t i)
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
    const struct window *oldest = window_at(0);
    history.bytes -= bytes_of(oldest);
    put_window(oldest);
    history.first = (history.first + 1) % history.options.windows;
    history.count--;
}

static void begin_window(uint64_t now_ns)
{
    history.window = (struct window){.wall_ns = clock_wall_ns(), .start_ns = now_ns};
    history.lost_before = sampler_get_stats().lost;
}

/* The window so far, as one that is full. Without memory for its stacks they are lost. */
static struct window copy_window(uint64_t now_ns)
{
    struct window window = history.window;
    window.end_ns = now_ns;
    window.lost = sampler_get_stats().lost - history.lost_before + history.stacks.dropped;
    if (history.stacks.sample_count == 0) {
        return window;
    }
    window.kept = calloc(1, sizeof(*window.kept));
    if (window.kept != NULL && !stacks_copy(&history.stacks, &window.kept->stacks)) {
        free(window.kept);
        window.kept = NULL;
    }
    if (window.kept == NULL) {
        window.lost += history.stacks.total;
    } else {
        window.kept->users = 1;
    }
    return window;
}

static void end_window(uint64_t now_ns)
{
    const struct window window = copy_window(now_ns);
    stacks_deinit(&history.stacks);
    history.lost += window.lost;
    if (history.count == history.options.windows) {
        drop_oldest();
    }
    *window_at(history.count) = window;
    history.count++;
    history.bytes += bytes_of(&window);
    while (history.bytes > history.options.bytes_max) {
        drop_oldest();
    }
}

static void on_sample(struct sampler_consumer *consumer, const struct ring_sample *sample,
                      const char *name)
{
    (void)consumer;
    const struct stacks_labels labels = {
        .label = sample->label,
        .thread = stacks_name(&history.stacks, str_from(name)),
    };
    const int64_t values[STACKS_VALUES_MAX] = {sample->weight,
                                               (int64_t)sample->weight * sample->period_ns};
    stacks_add(&history.stacks, sample->frames, sample->frame_count, &labels, values);
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
    if (now_ns - history.window.start_ns >= history.options.window_ms * NS_PER_MS) {
        end_window(now_ns);
        begin_window(now_ns);
        sampler_retry();
        refresh_code();
    }
}

/* ---- the profile, on a worker thread ----------------------------------------------------------
 */

static uint64_t count_lost(const struct history_read *read)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < read->count; i++) {
        lost += read->windows[i].lost;
    }
    return lost;
}

static void format_account(const struct history_read *read, char *out)
{
    uint64_t samples = 0;
    uint64_t truncated = 0;
    for (size_t i = 0; i < read->count; i++) {
        samples += read->windows[i].samples;
        truncated += read->windows[i].truncated;
    }
    const struct window *first = &read->windows[0];
    const struct window *last = &read->windows[read->count - 1];
    char itimer[SAMPLER_ITIMER_BYTES];
    sampler_format_itimer(read->itimer_reason, itimer);
    char start[CLOCK_RFC3339_BYTES];
    char end[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(first->wall_ns, start);
    clock_format_rfc3339(first->wall_ns + (last->end_ns - first->start_ns), end);
    (void)snprintf(out, COMMENT_BYTES,
                   "toq: history from %s to %s, windows: %zu; %" PRIu64 " samples, %" PRIu64
                   " lost, %" PRIu64 " truncated%s",
                   start, end, read->count, samples, count_lost(read), truncated, itimer);
}

static void encode_work(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct history_read *read = CONTAINER_OF(job, struct history_read, job);
    const struct window *first = &read->windows[0];
    const struct profile_spec spec = {
        .types = {{"samples", "count"}, {"cpu", "nanoseconds"}},
        .type_count = 2,
        .period_type = {"cpu", "nanoseconds"},
        .period = NS_PER_S / HISTORY_HZ,
        .time_ns = first->wall_ns,
        .duration_ns = read->windows[read->count - 1].end_ns - first->start_ns,
    };
    struct stacks merged = {0};
    encode_add_lost(&merged, count_lost(read), NS_PER_S / HISTORY_HZ);
    for (size_t i = 0; i < read->count; i++) {
        if (read->windows[i].kept != NULL) {
            stacks_merge(&merged, &read->windows[i].kept->stacks, 1);
        }
    }
    char comment[COMMENT_BYTES];
    format_account(read, comment);
    read->status = encode_profile(&merged, &spec, read->maps, comment, &read->data, &read->len);
    stacks_deinit(&merged);
    (void)task_swap_label(label);
}

/* ---- readers ----------------------------------------------------------------------------------
 */

static void free_read(struct history_read *read)
{
    for (size_t i = 0; i < read->count; i++) {
        put_window(&read->windows[i]);
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

/* Adds the windows that overlap the time from start_ns to end_ns. */
static void add_windows(struct history_read *read, uint64_t start_ns, uint64_t end_ns)
{
    for (size_t i = 0; i < history.count; i++) {
        const struct window *window = window_at(i);
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

int history_read(uint64_t start_ns, uint64_t length_ns, history_done_fn on_done, void *arg,
                 struct history_read **ret_read)
{
    REQUIRE(history.is_on && length_ns > 0 && start_ns <= clock_now_ns() && on_done != NULL);
    sampler_drain(); /* may end a window, and drop another */
    if (oldest_start_ns() == 0 || start_ns < oldest_start_ns()) {
        return UV_ERANGE;
    }
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
    list_push_back(&history.reads, &read->link);
    history.read_count++;
    add_windows(read, start_ns, start_ns + length_ns);
    *ret_read = read;
    return 0;
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

/* ---- start and stop ---------------------------------------------------------------------------
 */

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
    stacks_deinit(&history.stacks);
    history.window = (struct window){0};
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
        .bytes = history.bytes + stacks_bytes(&history.stacks) +
                 (history.is_on ? history.options.windows * sizeof(*history.ring) : 0),
    };
}
