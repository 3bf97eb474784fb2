/* SPDX-License-Identifier: MIT
 *
 * waits.c - the hooks of tasks, and the way from the table to a profile's stacks.
 */
#include "profiling/task/waits.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/loop/arrival.h"
#include "core/loop/label.h"
#include "core/loop/task.h"
#include "profiling/code/code.h"

static struct {
    pthread_mutex_t
        lock; /* of the table, which every loop adds to; held for a copy at the longest */
    struct sites *sites; /* NULL: not started */
    uint64_t count;
    unsigned measurers; /* who want to know how long tasks run */
} waits = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One answer on its way. */
struct answer {
    struct source_take *take;
    struct loop *loop;
    struct pool *pool;
    struct sites *sites;
    waits_value_fn value;
    struct code_wait code_wait;
    const struct maps *maps; /* code_get's: keeps the symbols */
};

/* on_wait counts the wait up to when the loop's poll was woken by what it was for; from then on the
 * task waited for the loop, which worked for others. */
static void on_wait(const struct task *task, uint64_t now_ns)
{
    struct task_facts facts = task_get_facts(task);
    const uint64_t arrived_ns = arrival_ns();
    const uint64_t ready_ns = arrived_ns < task->state_ns ? task->state_ns : arrived_ns;
    const uint64_t end_ns = ready_ns < now_ns ? ready_ns : now_ns;
    (void)pthread_mutex_lock(&waits.lock);
    waits.count++;
    sites_add(waits.sites, &facts, 1, clock_elapsed_ns(task->state_ns, end_ns));
    if (end_ns < now_ns) {
        facts.state = task_state_loop;
        sites_add(waits.sites, &facts, 0, now_ns - end_ns); /* it is one wait */
    }
    (void)pthread_mutex_unlock(&waits.lock);
}

static void on_run(const struct task *task, uint64_t ran_ns)
{
    const struct task_facts facts = task_get_facts(task);
    (void)pthread_mutex_lock(&waits.lock);
    sites_add(waits.sites, &facts, 1, ran_ns);
    (void)pthread_mutex_unlock(&waits.lock);
}

int waits_start(void)
{
    REQUIRE(waits.sites == NULL);
    waits.count = 0;
    waits.sites = sites_create();
    if (waits.sites == NULL) {
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
    waits.sites = NULL;
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

struct sites *waits_copy(void)
{
    (void)pthread_mutex_lock(&waits.lock);
    struct sites *copy = sites_copy(waits.sites);
    (void)pthread_mutex_unlock(&waits.lock);
    return copy;
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
    free(answer->sites);
    free(answer);
    take->done(take, status);
}

static void make_stacks(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    const struct answer *answer = take->state;
    for (size_t i = 0; i < answer->sites->count; i++) {
        const struct site *site = &answer->sites->items[i];
        int64_t values[STACKS_VALUES_MAX] = {0};
        if (answer->value(site, values)) {
            uint64_t frames[TASK_FRAMES_MAX];
            struct stacks_labels labels;
            const size_t count = sites_stack(site, frames, &labels);
            stacks_add(&take->stacks, frames, count, &labels, values);
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

int waits_take(struct loop *loop, struct pool *pool, struct source_take *take, struct sites *sites,
               waits_value_fn value)
{
    struct answer *answer = sites == NULL ? NULL : calloc(1, sizeof(*answer));
    if (answer == NULL) {
        free(sites);
        return UV_ENOMEM;
    }
    *answer =
        (struct answer){.take = take, .loop = loop, .pool = pool, .sites = sites, .value = value};
    answer->code_wait.done = on_code_ready;
    take->state = answer;
    take->job.work = make_stacks;
    take->job.done = on_made;
    const int status = code_refresh(&answer->code_wait);
    if (status != 0) {
        free(sites);
        free(answer);
    }
    return status;
}
