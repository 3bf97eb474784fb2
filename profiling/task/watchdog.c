/* SPDX-License-Identifier: MIT
 *
 * watchdog.c - the watching thread, and what the loop makes of its samples when a stall is over.
 */
#include "profiling/task/watchdog.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/thread.h"
#include "core/task/label.h"
#include "profiling/code/synthetic.h"
#include "profiling/cpu/thread_stack.h"

#define ANSWER_NS   (100 * NS_PER_MS) /* the longest that the main thread is waited for */
#define SPREAD      8 /* after so many samples they come less often: each 1/8 later */
#define LABEL_STALL "stall"

/* A stack of the main thread while it held the loop. */
struct sample {
    uint64_t held_ns; /* for so long by then */
    struct trace_ids trace;
    uint32_t label;
    uint32_t frame_count;
    uint64_t frames[WATCHDOG_FRAMES_MAX];
};

/* What the loop has summed up for one stack. */
struct stall {
    uint64_t hash;
    uint64_t count;
    uint64_t ns;
    uint32_t label;
    uint32_t frame_count;
    uint64_t frames[WATCHDOG_FRAMES_MAX];
};

/* The part of a stall that is known to be a span's. */
struct stall_trace {
    struct trace_ids ids;
    uint64_t ns;
    uint32_t count;
    uint32_t place; /* position in places */
};

struct watchdog {
    struct loop *loop;
    pid_t main_tid;
    uint64_t threshold_ns;

    pthread_t thread;
    uv_loop_t uv;
    uv_timer_t timer;
    uv_async_t stop;
    struct thread_stack stack;
    uint64_t watched; /* the turn that is looked at */
    uint64_t due_ns;  /* when it has held the loop for so long it is sampled */

    /* Between the threads; none ever holds the lock for longer than a copy. */
    pthread_mutex_t lock;
    uint64_t turn; /* that the samples are of */
    size_t sample_count;
    struct sample samples[WATCHDOG_SAMPLES_MAX];
    atomic_uint_fast64_t taken;
    atomic_uint_fast64_t failures;
    atomic_uint_fast64_t signal_ns;

    uint64_t stall_count;
    uint64_t unsampled;
    uint64_t dropped;
    uint64_t trace_count; /* ever */
    struct stall_trace traces[WATCHDOG_TRACES_MAX];
    size_t place_count;
    struct stall places[WATCHDOG_STALLS_MAX]; /* the first two: not sampled, no room */
};

static struct watchdog *watchdog; /* NULL: not started */

/* --- on the watching thread --- */

static void keep_sample(struct watchdog *w, uint64_t turn, uint64_t held_ns)
{
    (void)pthread_mutex_lock(&w->lock);
    w->sample_count = w->turn == turn ? w->sample_count : 0;
    w->turn = turn;
    if (w->sample_count < WATCHDOG_SAMPLES_MAX) {
        struct sample *sample = &w->samples[w->sample_count++];
        const uint32_t count = w->stack.frame_count;
        sample->held_ns = held_ns;
        sample->label = w->stack.owner.label;
        sample->trace = w->stack.owner.trace;
        sample->frame_count = count < WATCHDOG_FRAMES_MAX ? count : WATCHDOG_FRAMES_MAX;
        memcpy(sample->frames, w->stack.frames, sample->frame_count * sizeof(uint64_t));
    }
    (void)pthread_mutex_unlock(&w->lock);
}

/* The stack counts only when the turn is still the same afterwards: then it was taken within it. */
static void take_sample(struct watchdog *w, uint64_t turn, uint64_t held_ns)
{
    const int status = thread_stack_take(w->main_tid, ANSWER_NS, &w->stack);
    uint64_t turn_after;
    (void)loop_held_ns(w->loop, &turn_after);
    if (status == 0) {
        atomic_fetch_add_explicit(&w->signal_ns, w->stack.handler_ns, memory_order_relaxed);
    }
    if (status == 0 && w->stack.frame_count > 0 && turn == turn_after) {
        atomic_fetch_add_explicit(&w->taken, 1, memory_order_relaxed);
        keep_sample(w, turn, held_ns);
    } else {
        atomic_fetch_add_explicit(&w->failures, 1, memory_order_relaxed);
    }
}

/* Looks again when the turn that runs now would become a stall: the next one begins later. */
static void on_tick(uv_timer_t *timer)
{
    struct watchdog *w = timer->data;
    uint64_t turn;
    const uint64_t held_ns = loop_held_ns(w->loop, &turn);
    if (turn != w->watched) {
        w->watched = turn;
        w->due_ns = w->threshold_ns;
    }
    if (held_ns >= w->due_ns) {
        take_sample(w, turn, held_ns);
        const uint64_t spread_ns = held_ns / SPREAD;
        w->due_ns = held_ns + (spread_ns > w->threshold_ns ? spread_ns : w->threshold_ns);
    }
    const uint64_t delay_ns = w->due_ns - held_ns;
    uv_update_time(&w->uv);
    (void)uv_timer_start(timer, on_tick, (delay_ns + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void on_stop(uv_async_t *stop)
{
    struct watchdog *w = stop->data;
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_close((uv_handle_t *)&w->stop, NULL);
}

static void *run_watchdog(void *arg)
{
    struct watchdog *w = arg;
    (void)pthread_setname_np(pthread_self(), "toq-watchdog");
    (void)uv_run(&w->uv, UV_RUN_DEFAULT);
    return NULL;
}

/* --- on the loop --- */

static uint64_t hash_sample(const struct sample *sample)
{
    uint64_t hash = sample->label;
    for (uint32_t i = 0; i < sample->frame_count; i++) {
        hash = lookup_mix(hash, sample->frames[i]);
    }
    return hash;
}

static struct stall *find_or_add(struct watchdog *w, const struct sample *sample)
{
    const uint64_t hash = hash_sample(sample);
    const size_t bytes = sample->frame_count * sizeof(sample->frames[0]);
    for (size_t i = 0; i < w->place_count; i++) {
        struct stall *stall = &w->places[i];
        if (stall->hash == hash && stall->label == sample->label &&
            stall->frame_count == sample->frame_count &&
            memcmp(stall->frames, sample->frames, bytes) == 0) {
            return stall;
        }
    }
    if (w->place_count == WATCHDOG_STALLS_MAX) {
        w->dropped++;
        return &w->places[1];
    }
    struct stall *stall = &w->places[w->place_count++];
    *stall =
        (struct stall){.hash = hash, .label = sample->label, .frame_count = sample->frame_count};
    memcpy(stall->frames, sample->frames, bytes);
    return stall;
}

/* Up to when a sample stands for the delay: half way to the next one, the last to the end. */
static uint64_t end_of(const struct watchdog *w, size_t i, uint64_t held_ns)
{
    if (i + 1 == w->sample_count) {
        return held_ns;
    }
    return (w->samples[i].held_ns + w->samples[i + 1].held_ns) / 2;
}

/* count_part counts the part of a stall that a sample stands for. */
static void count_part(struct watchdog *w, const struct sample *sample, uint32_t count, uint64_t ns)
{
    struct stall *stall = find_or_add(w, sample);
    stall->count += count;
    stall->ns += ns;
    if (sample->trace.span_id != 0) {
        w->traces[w->trace_count++ % WATCHDOG_TRACES_MAX] = (struct stall_trace){
            .ids = sample->trace, .ns = ns, .count = count, .place = (uint32_t)(stall - w->places)};
    }
}

static void on_stall(uint64_t turn, uint64_t held_ns)
{
    struct watchdog *w = watchdog;
    (void)pthread_mutex_lock(&w->lock);
    w->stall_count++;
    if (w->turn != turn || w->sample_count == 0) {
        w->unsampled++;
        w->places[0].count++;
        w->places[0].ns += held_ns;
    } else {
        uint64_t start_ns = 0;
        for (size_t i = 0; i < w->sample_count; i++) {
            const uint64_t end_ns = end_of(w, i, held_ns);
            count_part(w, &w->samples[i], i == 0, end_ns - start_ns);
            start_ns = end_ns;
        }
    }
    (void)pthread_mutex_unlock(&w->lock);
}

static void add_stall(struct stacks *stacks, const struct stall *stall, uint32_t trace,
                      int64_t count, int64_t ns)
{
    uint64_t frames[WATCHDOG_FRAMES_MAX + 1];
    memcpy(frames, stall->frames, stall->frame_count * sizeof(frames[0]));
    frames[stall->frame_count] = synthetic_route(stall->label);
    const struct stacks_labels labels = {
        .label = stall->label, .state = LABEL_STALL, .trace = trace};
    const int64_t values[STACKS_VALUES_MAX] = {count, ns};
    stacks_add(stacks, frames, stall->frame_count + 1, &labels, values);
}

static void add_stalls(const struct watchdog *w, struct stacks *stacks)
{
    for (size_t i = 0; i < w->place_count; i++) {
        const struct stall *stall = &w->places[i];
        if (stall->ns > 0) {
            add_stall(stacks, stall, 0, (int64_t)stall->count, (int64_t)stall->ns);
        }
    }
}

/* add_traces adds what is known of spans; in a profile of everything that was added already,
 * without ids, and is taken from there. */
static void add_traces(const struct watchdog *w, struct stacks *stacks,
                       const struct trace_filter *traces, uint64_t mark)
{
    const uint64_t kept =
        w->trace_count < WATCHDOG_TRACES_MAX ? w->trace_count : WATCHDOG_TRACES_MAX;
    const uint64_t oldest = w->trace_count - kept;
    for (uint64_t i = mark > oldest ? mark : oldest; i < w->trace_count; i++) {
        const struct stall_trace *part = &w->traces[i % WATCHDOG_TRACES_MAX];
        const struct stall *stall = &w->places[part->place];
        if (!trace_filter_takes(traces, &part->ids)) {
            continue;
        }
        const uint32_t trace = traces->has_labels ? stacks_trace(stacks, &part->ids) : 0;
        if (!traces->is_one) {
            add_stall(stacks, stall, 0, -(int64_t)part->count, -(int64_t)part->ns);
        }
        add_stall(stacks, stall, trace, part->count, (int64_t)part->ns);
    }
}

uint64_t watchdog_mark(void)
{
    uint64_t mark = 0;
    if (watchdog != NULL) {
        (void)pthread_mutex_lock(&watchdog->lock);
        mark = watchdog->trace_count;
        (void)pthread_mutex_unlock(&watchdog->lock);
    }
    return mark;
}

void watchdog_add_stalls(struct stacks *stacks, const struct trace_filter *traces, uint64_t mark)
{
    if (watchdog == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&watchdog->lock);
    if (!traces->is_one) {
        add_stalls(watchdog, stacks);
    }
    if (trace_filter_is_on(traces)) {
        add_traces(watchdog, stacks, traces, mark);
    }
    (void)pthread_mutex_unlock(&watchdog->lock);
}

uint64_t watchdog_place_count(void)
{
    struct watchdog *w = watchdog;
    uint64_t count = 0;
    if (w != NULL) {
        (void)pthread_mutex_lock(&w->lock);
        for (size_t i = 0; i < w->place_count; i++) {
            count += w->places[i].ns > 0;
        }
        (void)pthread_mutex_unlock(&w->lock);
    }
    return count;
}

struct watchdog_stats watchdog_get_stats(void)
{
    struct watchdog *w = watchdog;
    if (w == NULL) {
        return (struct watchdog_stats){0};
    }
    (void)pthread_mutex_lock(&w->lock);
    const struct watchdog_stats stats = {
        .stalls = w->stall_count,
        .unsampled = w->unsampled,
        .dropped = w->dropped,
        .samples = atomic_load_explicit(&w->taken, memory_order_relaxed),
        .failures = atomic_load_explicit(&w->failures, memory_order_relaxed),
        .signal_ns = atomic_load_explicit(&w->signal_ns, memory_order_relaxed),
    };
    (void)pthread_mutex_unlock(&w->lock);
    return stats;
}

/* --- start and stop --- */

static void add_stand_in(struct watchdog *w, const char *state, uint32_t label)
{
    w->places[w->place_count++] =
        (struct stall){.label = label, .frame_count = 1, .frames = {synthetic_state(state)}};
}

static int open_handles(struct watchdog *w)
{
    int status = uv_loop_init(&w->uv);
    if (status != 0) {
        return status;
    }
    (void)uv_timer_init(&w->uv, &w->timer); /* libuv: this cannot fail, nor can starting it */
    w->timer.data = w;
    status = uv_async_init(&w->uv, &w->stop, on_stop);
    if (status != 0) {
        uv_close((uv_handle_t *)&w->timer, NULL);
        (void)uv_run(&w->uv, UV_RUN_DEFAULT);
        (void)uv_loop_close(&w->uv);
        return status;
    }
    w->stop.data = w;
    (void)uv_timer_start(&w->timer, on_tick, 0, 0);
    return 0;
}

static void close_handles(struct watchdog *w)
{
    on_stop(&w->stop);
    (void)uv_run(&w->uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&w->uv);
}

int watchdog_start(struct loop *loop, uint64_t threshold_ns)
{
    REQUIRE(watchdog == NULL && threshold_ns > 0);
    struct watchdog *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return UV_ENOMEM;
    }
    w->loop = loop;
    w->main_tid = gettid();
    w->threshold_ns = threshold_ns;
    w->due_ns = threshold_ns;
    (void)pthread_mutex_init(&w->lock, NULL);
    add_stand_in(w, "not sampled", LABEL_NONE);
    add_stand_in(w, "other", LABEL_OTHER);
    int status = open_handles(w);
    if (status == 0) {
        status = thread_start(run_watchdog, w, &w->thread);
        if (status != 0) {
            close_handles(w);
        }
    }
    if (status != 0) {
        free(w);
        return status;
    }
    watchdog = w;
    loop_on_stall(loop, threshold_ns, on_stall);
    return 0;
}

void watchdog_stop(void)
{
    struct watchdog *w = watchdog;
    if (w == NULL) {
        return;
    }
    loop_on_stall(w->loop, 0, NULL);
    (void)uv_async_send(&w->stop);
    (void)pthread_join(w->thread, NULL);
    (void)uv_loop_close(&w->uv);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
    watchdog = NULL;
}
