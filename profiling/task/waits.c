/* SPDX-License-Identifier: MIT
 *
 * waits.c - the hooks of tasks, and the conversion of the table into a profile's stacks.
 */
#include "profiling/task/waits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/task/arrival.h"
#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/code/code.h"
#include "profiling/task/watchdog.h"

static struct {
    pthread_mutex_t
        lock; /* of the table, which every loop adds to; held for a copy at the longest */
    struct sites *sites; /* NULL: not started */
    struct wait_traces *traces;
    uint64_t count;
    unsigned measurers; /* who want to know how long tasks run */
} waits = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One answer on its way. */
struct answer {
    struct source_take *take;
    struct loop *loop;
    struct pool *pool;
    struct waits_copy copy;
    waits_value_fn value;
    struct code_wait code_wait;
    const struct maps *maps; /* code_get's: keeps the symbols */
};

/* add counts a wait or a run of a task with these ids; under the lock. */
static void add(const struct task_facts *facts, const struct trace_ids *ids, uint32_t count,
                uint64_t ns)
{
    const uint32_t site = sites_add(waits.sites, facts, count, ns);
    wait_traces_add(waits.traces,
                    &(struct wait_trace){.ids = *ids, .ns = ns, .count = count, .site = site});
}

/* on_wait counts the wait up to when the loop's poll was woken by what it was for; from then on the
 * task waited for the loop, which worked for others. */
static void on_wait(const struct task *task, uint64_t now_ns)
{
    struct task_facts facts = task_get_facts(task);
    struct trace_ids ids;
    task_get_ids(task, &ids);
    const uint64_t arrived_ns = arrival_ns();
    const uint64_t ready_ns = arrived_ns < task->state_ns ? task->state_ns : arrived_ns;
    const uint64_t end_ns = ready_ns < now_ns ? ready_ns : now_ns;
    (void)pthread_mutex_lock(&waits.lock);
    waits.count++;
    add(&facts, &ids, 1, clock_elapsed_ns(task->state_ns, end_ns));
    if (end_ns < now_ns) {
        facts.state = task_state_loop;
        add(&facts, &ids, 0, now_ns - end_ns); /* it is one wait */
    }
    (void)pthread_mutex_unlock(&waits.lock);
}

static void on_run(const struct task *task, uint64_t ran_ns)
{
    const struct task_facts facts = task_get_facts(task);
    struct trace_ids ids;
    task_get_ids(task, &ids);
    (void)pthread_mutex_lock(&waits.lock);
    add(&facts, &ids, 1, ran_ns);
    (void)pthread_mutex_unlock(&waits.lock);
}

int waits_start(void)
{
    REQUIRE(waits.sites == NULL);
    waits.count = 0;
    waits.sites = sites_create();
    waits.traces = wait_traces_create();
    if (waits.sites == NULL || waits.traces == NULL) {
        waits_stop();
        return UV_ENOMEM;
    }
    task_on_wait(on_wait);
    return 0;
}

void waits_stop(void)
{
    task_on_wait(NULL);
    task_on_run(NULL);
    free(waits.sites);
    free(waits.traces);
    waits.sites = NULL;
    waits.traces = NULL;
}

void waits_measure_runs(bool is_on)
{
    REQUIRE(is_on || waits.measurers > 0);
    const bool was_on = waits.measurers > 0;
    waits.measurers += is_on ? 1 : -1u;
    if (was_on != (waits.measurers > 0)) {
        task_on_run(is_on ? on_run : NULL);
    }
}

/* --- windows and copies --- */

void waits_open_window(struct source_take *take)
{
    if (!trace_filter_is_on(&take->traces)) {
        return;
    }
    struct wait_window *window = calloc(1, sizeof(*window));
    take->window = window;
    if (window != NULL) {
        window->traces = take->traces;
        window->stall_mark = watchdog_mark();
        (void)pthread_mutex_lock(&waits.lock);
        list_push_back(&waits.traces->windows, &window->link);
        (void)pthread_mutex_unlock(&waits.lock);
    }
}

void waits_close_window(struct source_take *take)
{
    struct wait_window *window = take->window;
    if (window != NULL) {
        (void)pthread_mutex_lock(&waits.lock);
        list_unlink(&window->link);
        (void)pthread_mutex_unlock(&waits.lock);
        free(window);
        take->window = NULL;
    }
}

/* copy_traces: waits that have not ended may be added. Under the lock. */
static bool copy_traces(const struct wait_window *window, struct waits_copy *copy)
{
    copy->trace_count = wait_traces_count(waits.traces, window);
    copy->trace_cap = copy->trace_count + task_slots_count();
    copy->traces = malloc((copy->trace_cap + 1) * sizeof(*copy->traces));
    if (copy->traces == NULL) {
        return false;
    }
    wait_traces_copy(waits.traces, window, copy->traces);
    return true;
}

bool waits_copy(const struct source_take *take, struct waits_copy *ret_copy)
{
    const bool has_traces = take != NULL && trace_filter_is_on(&take->traces);
    if (has_traces && take->is_window && take->window == NULL) {
        return false; /* waits_open_window found no memory */
    }
    struct waits_copy copy = {0};
    (void)pthread_mutex_lock(&waits.lock);
    copy.sites = sites_copy(waits.sites);
    const bool is_copied = copy.sites != NULL && (!has_traces || copy_traces(take->window, &copy));
    (void)pthread_mutex_unlock(&waits.lock);
    if (is_copied) {
        *ret_copy = copy;
    } else {
        waits_copy_deinit(&copy);
    }
    return is_copied;
}

void waits_copy_deinit(struct waits_copy *copy)
{
    free(copy->sites);
    free(copy->traces);
    *copy = (struct waits_copy){0};
}

void waits_copy_add(struct waits_copy *copy, uint32_t slot, const struct task_facts *facts,
                    uint64_t ns)
{
    const uint32_t site = sites_add(copy->sites, facts, 1, ns);
    struct wait_trace added = {.ns = ns, .count = 1, .site = site};
    if (copy->trace_count < copy->trace_cap) {
        task_slots_copy_ids(slot, facts->id, &added.ids);
        if (added.ids.span_id != 0) {
            copy->traces[copy->trace_count++] = added;
        }
    }
}

struct waits_stats waits_get_stats(void)
{
    (void)pthread_mutex_lock(&waits.lock);
    const struct waits_stats stats = {
        .count = waits.count,
        .dropped = waits.sites == NULL ? 0 : waits.sites->dropped,
    };
    (void)pthread_mutex_unlock(&waits.lock);
    return stats;
}

bool waits_is_for_profile(const struct site *site)
{
    return strcmp(site->state, WAITS_PROFILE) == 0 || strcmp(site->state, WAITS_CPU_PROFILE) == 0;
}

static void end(struct answer *answer, int status)
{
    struct source_take *take = answer->take;
    code_put(answer->maps);
    waits_copy_deinit(&answer->copy);
    free(answer);
    take->done(take, status);
}

/* A site's stack, which all its spans share. */
struct site_stack {
    uint64_t frames[TASK_FRAMES_MAX];
    size_t frame_count;
    struct stacks_labels labels;
};

static void add_values(const struct answer *answer, const struct site *site,
                       const struct site_stack *stack)
{
    int64_t values[STACKS_VALUES_MAX] = {0};
    if (answer->value(site, values)) {
        stacks_add(&answer->take->stacks, stack->frames, stack->frame_count, &stack->labels,
                   values);
    }
}

/* add_traces adds the part of a site that belongs to spans, and leaves the rest in the site.
 *
 * at: position in the copy's traces, which are in the order of sites.
 * Returns: the position of the first of the next site.
 */
static size_t add_traces(const struct answer *answer, struct site *site, uint32_t position,
                         struct site_stack *stack, size_t at)
{
    struct source_take *take = answer->take;
    const struct waits_copy *copy = &answer->copy;
    for (; at < copy->trace_count && copy->traces[at].site == position; at++) {
        const struct wait_trace *trace = &copy->traces[at];
        struct site part = *site;
        part.count = trace->count;
        part.ns = trace->ns;
        site->count -= trace->count;
        site->ns -= trace->ns;
        if (trace_filter_takes(&take->traces, &trace->ids)) {
            stack->labels.trace =
                take->traces.has_labels ? stacks_trace(&take->stacks, &trace->ids) : 0;
            add_values(answer, &part, stack);
        }
    }
    stack->labels.trace = 0;
    return at;
}

static void make_stacks(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    struct answer *answer = take->state;
    struct waits_copy *copy = &answer->copy;
    copy->trace_count = wait_traces_sum(copy->traces, copy->trace_count);
    for (size_t i = 0, at = 0; i < copy->sites->count; i++) {
        struct site *site = &copy->sites->items[i];
        struct site_stack stack;
        stack.frame_count = sites_stack(site, stack.frames, &stack.labels);
        at = add_traces(answer, site, (uint32_t)i, &stack, at);
        if (!take->traces.is_one) {
            add_values(answer, site, &stack);
        }
    }
    (void)task_swap_label(label);
}

static void on_made(struct pool_job *job, int status)
{
    const struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    end(take->state, status);
}

static void on_code_ready(struct code_wait *wait, int status)
{
    struct answer *answer = CONTAINER_OF(wait, struct answer, code_wait);
    answer->maps = status == 0 ? code_get() : NULL;
    status = status == 0 ? pool_submit(answer->pool, answer->loop, &answer->take->job) : status;
    if (status != 0) {
        end(answer, status);
    }
}

int waits_take(struct loop *loop, struct pool *pool, struct source_take *take,
               struct waits_copy *copy, waits_value_fn value)
{
    struct answer *answer = calloc(1, sizeof(*answer));
    if (answer == NULL) {
        waits_copy_deinit(copy);
        return UV_ENOMEM;
    }
    *answer =
        (struct answer){.take = take, .loop = loop, .pool = pool, .copy = *copy, .value = value};
    answer->code_wait.done = on_code_ready;
    take->state = answer;
    take->job.work = make_stacks;
    take->job.done = on_made;
    const int status = code_refresh(&answer->code_wait);
    if (status != 0) {
        waits_copy_deinit(&answer->copy);
        free(answer);
    }
    return status;
}
