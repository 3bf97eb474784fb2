/* SPDX-License-Identifier: MIT
 *
 * log_writer.c - two buffers that are swapped: callers fill one while the thread writes the other.
 *
 * Locking: `lock` guards `current` and every field of the writer but output, batch and thread; it
 *          is held for a memcpy or a swap, never during a write. A caller touches the writer only
 *          through `current` and under the lock, so log_writer_stop can free it.
 */
#include "core/telemetry/log_writer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/thread.h"
#include "core/telemetry/log_output.h"

#define GATHER_MS 2
#define FLUSH_MS  1000 /* between two looks for counts that are due */

struct log_writer {
    const struct log_writer_counts *counts;
    pthread_t thread;
    pthread_cond_t ended; /* is_ended */
    char *queue;          /* lines that wait for the thread */
    size_t queue_len;
    size_t queue_lines;
    size_t queue_max;  /* size of queue and of batch */
    char *batch;       /* lines the thread writes now */
    size_t overflow;   /* lines that found the queue full since the last swap */
    bool is_waiting;   /* the thread sleeps until the next line */
    bool is_stopping;  /* the thread ends when the queue is empty */
    bool is_ended;     /* the thread touches the writer no more */
    bool is_abandoned; /* nobody waits for the end: the thread frees the writer */
    struct log_output output;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER; /* the queue filled, or is_stopping */
static struct log_writer *current;                     /* NULL while no writer runs */
static atomic_uint_fast64_t written_lines;
static atomic_uint_fast64_t dropped_lines;

static void count(atomic_uint_fast64_t *counter, size_t lines)
{
    atomic_fetch_add_explicit(counter, lines, memory_order_relaxed);
}

/* Lines swapped out of the queue. */
struct batch {
    struct str bytes;
    size_t lines;
    size_t overflow; /* lines that were lost right behind these */
};

/* wait_until waits for a condition under the lock, but not for longer than a monotonic time; like
 * pthread_cond_wait it may return early.
 *
 * Returns: false when that time has come. */
static bool wait_until(pthread_cond_t *cond, uint64_t end_ns)
{
    const struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_S),
                                 .tv_nsec = (long)(end_ns % NS_PER_S)};
    return pthread_cond_clockwait(cond, &lock, CLOCK_MONOTONIC, &end) == 0;
}

/* gather lets a few more lines come after the first one: a server that logs each request would else
 * wake this thread for each line, which costs its callers more than the line. The lock is held. */
static void gather(struct log_writer *w)
{
    const uint64_t end_ns = clock_now_ns() + GATHER_MS * NS_PER_MS;
    bool has_time = true;
    while (has_time && !w->is_stopping && w->queue_len < w->queue_max / 2) {
        has_time = wait_until(&wake, end_ns);
    }
}

/* rest waits for a line, or for the time to write how often those before were repeated. The lock is
 * held. */
static void rest(struct log_writer *w)
{
    w->is_waiting = true;
    if (!w->counts->is_pending()) {
        (void)pthread_cond_wait(&wake, &lock);
    } else if (!wait_until(&wake, clock_now_ns() + FLUSH_MS * NS_PER_MS)) {
        w->is_waiting = false;
        (void)pthread_mutex_unlock(&lock);
        w->counts->flush(clock_now_ns());
        (void)pthread_mutex_lock(&lock);
    }
}

/* take_batch waits for lines; false when the writer stops and none are left. */
static bool take_batch(struct log_writer *w, struct batch *ret_batch)
{
    (void)pthread_mutex_lock(&lock);
    while (w->queue_len == 0 && !w->is_stopping) {
        rest(w);
    }
    w->is_waiting = false;
    gather(w);
    const bool has_lines = w->queue_len > 0;
    if (has_lines) {
        *ret_batch = (struct batch){{w->queue, w->queue_len}, w->queue_lines, w->overflow};
        char *empty = w->batch;
        w->batch = w->queue;
        w->queue = empty;
        w->queue_len = 0;
        w->queue_lines = 0;
        w->overflow = 0;
    }
    (void)pthread_mutex_unlock(&lock);
    return has_lines;
}

static void write_batch(struct log_writer *w, const struct batch *batch)
{
    const size_t written = log_output_write(&w->output, batch->bytes);
    count(&written_lines, written);
    count(&dropped_lines, batch->lines - written);
    if (batch->overflow > 0) {
        w->output.missing_lines += batch->overflow;
        (void)log_output_write(&w->output, STR("")); /* say it where the gap is */
    }
}

static void writer_destroy(struct log_writer *w)
{
    (void)pthread_cond_destroy(&w->ended);
    free(w->queue);
    free(w->batch);
    free(w);
}

static void *run_writer(void *arg)
{
    struct log_writer *w = arg;
    (void)pthread_setname_np(pthread_self(), "toq-log");
    struct batch batch;
    while (take_batch(w, &batch)) {
        write_batch(w, &batch);
        w->counts->flush(clock_now_ns());
    }
    (void)pthread_mutex_lock(&lock);
    const bool is_abandoned = w->is_abandoned;
    w->is_ended = true;
    (void)pthread_cond_signal(&w->ended);
    (void)pthread_mutex_unlock(&lock);
    if (is_abandoned) {
        writer_destroy(w);
    }
    return NULL;
}

static struct log_writer *writer_create(const struct log_options *options)
{
    struct log_writer *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return NULL;
    }
    if (pthread_cond_init(&w->ended, NULL) != 0) {
        free(w);
        return NULL;
    }
    w->queue = malloc(options->queue_bytes);
    w->batch = malloc(options->queue_bytes);
    w->queue_max = options->queue_bytes;
    w->output = (struct log_output){.fd = options->fd, .format = options->format};
    if (w->queue == NULL || w->batch == NULL) {
        writer_destroy(w);
        return NULL;
    }
    return w;
}

int log_writer_start(const struct log_options *options, const struct log_writer_counts *counts)
{
    REQUIRE(options->queue_bytes > 0);
    REQUIRE(current == NULL); /* only main changes it, so main reads it without the lock */
    struct log_writer *w = writer_create(options);
    if (w == NULL) {
        return -ENOMEM;
    }
    w->counts = counts;
    const int status = thread_start(run_writer, w, &w->thread);
    if (status != 0) {
        writer_destroy(w);
        return status;
    }
    (void)pthread_mutex_lock(&lock);
    current = w;
    (void)pthread_mutex_unlock(&lock);
    return 0;
}

/* wait_ended waits for the thread under the lock; false when the time is up first. */
static bool wait_ended(struct log_writer *w, uint64_t timeout_ms)
{
    const uint64_t end_ns = clock_now_ns() + timeout_ms * NS_PER_MS;
    bool has_time = true;
    while (has_time && !w->is_ended) {
        has_time = wait_until(&w->ended, end_ns);
    }
    return w->is_ended;
}

void log_writer_stop(uint64_t timeout_ms)
{
    (void)pthread_mutex_lock(&lock);
    struct log_writer *w = current;
    current = NULL;
    if (w == NULL) {
        (void)pthread_mutex_unlock(&lock);
        return;
    }
    const pthread_t thread = w->thread; /* an abandoned writer may be gone after the unlock */
    w->is_stopping = true;
    (void)pthread_cond_signal(&wake);
    const bool is_ended = wait_ended(w, timeout_ms);
    if (!is_ended) {
        count(&dropped_lines, w->queue_lines);
        w->queue_len = 0;
        w->is_abandoned = true;
    }
    (void)pthread_mutex_unlock(&lock);
    if (is_ended) {
        (void)pthread_join(thread, NULL);
        writer_destroy(w);
    } else {
        (void)pthread_detach(thread);
    }
}

void log_writer_push(const char *line, size_t len)
{
    (void)pthread_mutex_lock(&lock);
    struct log_writer *w = current;
    const bool has_room = w != NULL && len <= w->queue_max - w->queue_len;
    bool is_wake_due = false;
    if (has_room) {
        const bool was_below = w->queue_len < w->queue_max / 2;
        memcpy(w->queue + w->queue_len, line, len);
        w->queue_len += len;
        w->queue_lines++;
        /* it sleeps, or gathers and should not any longer */
        is_wake_due = w->is_waiting || (was_below && w->queue_len >= w->queue_max / 2);
        w->is_waiting = false;
    } else if (w != NULL) {
        w->overflow++;
    }
    (void)pthread_mutex_unlock(&lock);
    if (!has_room) {
        count(&dropped_lines, 1);
    }
    if (is_wake_due) {
        (void)pthread_cond_signal(&wake); /* behind the lock, so that the thread finds it free */
    }
}

struct log_stats log_writer_get_stats(void)
{
    return (struct log_stats){
        .written_lines = atomic_load_explicit(&written_lines, memory_order_relaxed),
        .dropped_lines = atomic_load_explicit(&dropped_lines, memory_order_relaxed),
    };
}
