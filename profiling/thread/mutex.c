/* SPDX-License-Identifier: MIT
 *
 * mutex.c - makes the mutex profile.
 */
#include "profiling/thread/mutex.h"

#include "core/task/label.h"
#include "core/task/task.h"
#include "profiling/thread/mutex_hook.h"
#include "profiling/write/source.h"

void mutex_start(uint32_t fraction)
{
    mutex_wait_set_fraction(fraction);
}

void mutex_stop(void)
{
    mutex_wait_set_fraction(0);
}

struct mutex_stats mutex_get_stats(void)
{
    return mutex_wait_get_stats();
}

static void describe(struct profile_spec *spec)
{
    spec->types[0] = (struct profile_type){"contentions", "count"};
    spec->types[1] = (struct profile_type){"delay", "nanoseconds"};
    spec->type_count = 2;
    spec->period_type = (struct profile_type){"contentions", "count"};
    spec->period = 1;
}

static const char *check(void)
{
    return mutex_hook_is_built() ? NULL
                                 : "this build has a sanitizer, which must see the mutexes itself";
}

static void read_records(struct pool_job *job)
{
    const uint32_t label = task_swap_label(LABEL_PROFILER);
    struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    contention_read(mutex_wait_records(), &take->stacks);
    (void)task_swap_label(label);
}

static void finish(struct pool_job *job, int status)
{
    struct source_take *take = CONTAINER_OF(job, struct source_take, job);
    take->done(take, status);
}

static int take_mutex(struct loop *loop, struct pool *pool, struct source_take *take)
{
    take->job = (struct pool_job){.work = read_records, .done = finish};
    return pool_submit(pool, loop, &take->job);
}

static uint64_t count(void)
{
    return atomic_load_explicit(&mutex_wait_records()->used, memory_order_relaxed);
}

const struct source source_mutex = {
    .name = "mutex",
    .description = "Stack traces of holders of contended mutexes",
    .text = SOURCE_TEXT_CONTENTION,
    .describe = describe,
    .check = check,
    .take = take_mutex,
    .count = count,
};
