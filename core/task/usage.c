/* SPDX-License-Identifier: MIT
 *
 * usage.c - reads the thread's CPU clock, and divides the time between the labels that ran.
 */
#include "core/task/usage.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CALIBRATE_NS (10 * NS_PER_MS)
#define ENDED_AHEAD  8 /* answers are written in about the order in which requests ended */
#define SLEPT_NS     (20 * NS_PER_US) /* libuv counts the system call itself as idle time, too */
#define TICKS_PER_NS 1                /* until it is measured: the order of magnitude */

static double to_ns(const struct usage *a, uint64_t ticks)
{
    return (double)(int64_t)ticks * a->ns_per_tick; /* converting an unsigned takes twice as long */
}

double usage_ns_since(const struct usage *a, uint64_t ticks)
{
    return to_ns(a, ticks_now() - ticks);
}

static uint64_t to_ticks(const struct usage *a, double ns)
{
    return (uint64_t)(ns / a->ns_per_tick);
}

static void calibrate(struct usage *a, uint64_t now_ticks, uint64_t now_ns)
{
    if (now_ticks > a->first_ticks && now_ns > a->first_ns) {
        a->ns_per_tick = (double)(now_ns - a->first_ns) / (double)(now_ticks - a->first_ticks);
        a->long_ticks = to_ticks(a, (double)USAGE_LONG_NS);
    }
}

struct usage *usage_create(uv_loop_t *uv, usage_long_fn on_long)
{
    struct usage *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        return NULL;
    }
    a->uv = uv;
    a->on_long = on_long;
    a->cell = &a->rest;
    a->ns_per_tick = TICKS_PER_NS;
    a->first_ticks = ticks_now();
    a->first_ns = clock_now_ns();
    return a;
}

/* --- readings --- */

/* sum_window: polls that slept for less than USAGE_LONG_NS are in there with their sleep, which is
 * no CPU time. */
static double sum_window(const struct usage *a, uint32_t label_count)
{
    uint64_t ticks = 0;
    for (uint32_t i = 0; i < label_count; i++) {
        ticks += a->window[i];
    }
    return to_ns(a, ticks) - (double)a->slept_ns;
}

/* note_sleep notes the sleep of this turn's poll, once. idle_ns: uv_metrics_idle_time. */
static void note_sleep(struct usage *a, uint64_t idle_ns)
{
    if (!a->is_sleep_known) {
        a->is_sleep_known = true;
        a->slept_ns += idle_ns - a->poll_idle_ns;
    }
}

/* share_out divides the thread's CPU time since the last reading among the labels. The rest is the
 * loop's: it polled. */
static void share_out(struct usage *a, uint64_t used_ns)
{
    const uint32_t label_count = label_get_count();
    const double known_ns = sum_window(a, label_count);
    const double scale =
        a->ns_per_tick * (known_ns > (double)used_ns ? (double)used_ns / known_ns : 1);
    uint64_t rest_ns = used_ns;
    a->window[LABEL_NONE] = 0;
    a->slept_ns = 0;
    for (uint32_t i = LABEL_NONE + 1; i < label_count; i++) {
        if (a->window[i] > 0) {
            uint64_t ns = (uint64_t)((double)a->window[i] * scale);
            ns = ns < rest_ns ? ns : rest_ns;
            rest_ns -= ns;
            METRIC_ADD(&a->totals->ns[USAGE_CPU][i], ns);
            a->window[i] = 0;
        }
    }
    METRIC_ADD(&a->totals->ns[USAGE_CPU][LABEL_NONE], rest_ns);
}

/* read_clock reads the thread's CPU clock. Returns: the time since the last reading. */
static uint64_t read_clock(struct usage *a)
{
    const uint64_t cpu_ns = usage_thread_ns();
    const uint64_t used_ns = cpu_ns - a->cpu_ns;
    a->cpu_ns = cpu_ns;
    task_self.counted_ns = cpu_ns;
    return used_ns;
}

static void note_reading(struct usage *a)
{
    const uint64_t now_ns = clock_now_ns();
    const uint64_t now_ticks = ticks_now();
    a->read_ticks = a->last_ticks;
    a->read_ns = now_ns;
    if (now_ns - a->first_ns >= CALIBRATE_NS) {
        calibrate(a, now_ticks, now_ns);
    }
}

/* --- start --- */

/* wait_for_rate: the first rate is good to a hundredth; each reading improves it. */
static void wait_for_rate(struct usage *a)
{
    uint64_t now_ns;
    do {
        now_ns = clock_now_ns();
    } while (now_ns - a->first_ns < USAGE_LONG_NS);
    calibrate(a, ticks_now(), now_ns);
}

void usage_start(struct usage *a)
{
    char thread[sizeof(a->totals->thread)] = "";
    (void)pthread_getname_np(pthread_self(), thread, sizeof(thread));
    a->totals = usage_get_totals(thread, "[loop]");
    if (a->totals == NULL) {
        return; /* without memory for it the loop goes on unaccounted */
    }
    wait_for_rate(a);
    a->cpu_ns = task_self.counted_ns;
    a->label = LABEL_NONE;
    a->cell = &a->rest;
    a->ended_count = 0;
    a->last_ticks = ticks_now();
    a->poll_ticks = a->last_ticks;
    a->poll_idle_ns = uv_metrics_idle_time(a->uv);
    a->is_sleep_known = true;
    a->read_ticks = a->last_ticks;
    a->read_ns = clock_now_ns();
    memset(a->window, 0, sizeof(a->window));
    task_self.usage = a;
    share_out(a, read_clock(a)); /* the time before this belongs to no callback */
}

/* --- callbacks --- */

/* without_idle subtracts the sleep from the ticks of a poll and of what followed it. */
static uint64_t without_idle(const struct usage *a, uint64_t ticks)
{
    const uint64_t idle_ns = uv_metrics_idle_time(a->uv) - a->poll_idle_ns;
    const uint64_t idle_ticks = to_ticks(a, (double)idle_ns);
    return ticks > idle_ticks ? ticks - idle_ticks : 0;
}

/* count_long counts so many ticks that the thread's clock must be read. */
static void count_long(struct usage *a, uint64_t ticks)
{
    if (a->last_ticks - ticks == a->poll_ticks) {
        ticks = without_idle(a, ticks);
        a->is_sleep_known = true;
        if (ticks < a->long_ticks) {
            a->window[a->label] += ticks;
            *a->cell += ticks;
            return;
        }
    }
    note_sleep(a, uv_metrics_idle_time(a->uv));
    const uint64_t used_ns = read_clock(a);
    const double left_ns = (double)used_ns - sum_window(a, label_get_count());
    const uint64_t left_ticks = left_ns > 0 ? to_ticks(a, left_ns) : 0;
    const uint64_t own_ticks = left_ticks < ticks ? left_ticks : ticks;
    a->window[a->label] += own_ticks;
    *a->cell += own_ticks;
    share_out(a, used_ns);
    note_reading(a);
    if (a->on_long != NULL) {
        a->on_long(a->label, a->read_ns - (uint64_t)to_ns(a, ticks), a->read_ns);
    }
}

void usage_switch_long(struct usage *a, uint64_t ticks, uint32_t label, uint64_t *cell)
{
    count_long(a, ticks);
    a->label = label;
    a->cell = cell;
}

bool usage_has_slept(void)
{
    const struct usage *a = task_self.usage;
    return a != NULL && uv_metrics_idle_time(a->uv) > a->poll_idle_ns + SLEPT_NS;
}

void usage_count_delay(uint32_t culprit, uint32_t victim, bool is_upper, uint64_t ns)
{
    const struct usage *a = task_self.usage;
    if (a != NULL) {
        METRIC_ADD(&a->totals->ns[is_upper ? USAGE_CAUSED_UPPER : USAGE_CAUSED][culprit], ns);
        METRIC_ADD(&a->totals->ns[is_upper ? USAGE_SUFFERED_UPPER : USAGE_SUFFERED][victim], ns);
    }
}

/* count_now counts up to now, and keeps label and cell. */
static void count_now(struct usage *a)
{
    usage_count(a, a->label, a->cell);
}

uint64_t usage_read_cell(const uint64_t *cell)
{
    struct usage *a = task_self.usage;
    if (a == NULL) {
        return 0;
    }
    if (a->cell == cell) {
        count_now(a);
    }
    return (uint64_t)to_ns(a, *cell);
}

/* --- requests that end --- */

/* observe_ended adds up the requests that have ended in this turn. */
static void observe_ended(struct usage *a)
{
    const struct usage_ended *end = &a->ended[a->ended_count];
    for (const struct usage_ended *ended = a->ended; ended < end; ended++) {
        const double ns = to_ns(a, ended->ticks);
        if (ended->seconds != NULL) {
            metric_observe(ended->seconds, ns * 1e-9);
        }
        if (ended->ret_ns != NULL) {
            /* release: another thread may wait for it, and then reads the rest of the record */
            __atomic_store_n(ended->ret_ns, (uint64_t)ns, __ATOMIC_RELEASE);
        }
    }
    a->ended_count = 0;
    a->ended_next = 0;
}

struct usage_ended *usage_end_when_full(struct usage *a, uint64_t task_id, const uint64_t *cell)
{
    for (uint32_t i = 0; i < a->ended_count; i++) {
        if (a->cell == &a->ended[i].ticks) {
            a->cell = &a->rest;
        }
    }
    observe_ended(a);
    return usage_end(task_id, cell);
}

void usage_add_ns(uint64_t *cell, uint64_t ns)
{
    if (task_self.usage != NULL) {
        *cell += to_ticks(task_self.usage, (double)ns);
    }
}

/* find_ended finds the ticks of a request that has ended in this turn, among the next ENDED_AHEAD;
 * NULL: it is not there. */
static uint64_t *find_ended(struct usage *a, uint64_t task_id)
{
    const uint32_t left = a->ended_count - a->ended_next;
    const uint32_t end = a->ended_next + (left < ENDED_AHEAD ? left : ENDED_AHEAD);
    for (uint32_t i = a->ended_next; i < end; i++) {
        if (a->ended[i].task_id == task_id) {
            a->ended_next = i + 1;
            return &a->ended[i].ticks;
        }
    }
    return NULL;
}

void usage_switch_out_of_order(struct usage *a, uint32_t label, uint64_t task_id)
{
    usage_switch(label, find_ended(a, task_id));
}

void usage_end_turn(struct usage *a, uint64_t idle_ns)
{
    if (task_self.usage != a) {
        return;
    }
    usage_count(a, LABEL_NONE, &a->rest);
    observe_ended(a);
    note_sleep(a, idle_ns);
    a->is_sleep_known = false;
    a->poll_ticks = a->last_ticks;
    a->poll_idle_ns = idle_ns;
    if (a->last_ticks - a->read_ticks >= a->long_ticks * (USAGE_WINDOW_NS / USAGE_LONG_NS)) {
        share_out(a, read_clock(a));
        note_reading(a);
    }
}

void usage_stop(void)
{
    struct usage *a = task_self.usage;
    if (a != NULL) {
        usage_count(a, LABEL_NONE, &a->rest);
        observe_ended(a);
        share_out(a, read_clock(a));
        task_self.usage = NULL;
    }
}
