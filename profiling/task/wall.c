/* SPDX-License-Identifier: MIT
 *
 * wall.c - where requests spend their time. Over some seconds, as /debug/fgprof has it, waiting and
 * running: two looks at the waits, those that are not over included, and at the running time in
 * between. Else all waits since the start, and no running time, which is measured in windows alone.
 *
 * Nothing is sampled: the times are exact. Readers of such profiles look at samples/count as well,
 * so that is what a sampler of 99 Hz, fgprof's rate, would have counted in that time.
 */
#include "core/base/clock.h"
#include "profiling/task/waits.h"
#include "profiling/write/source.h"

#define FGPROF_HZ 99

static void describe(struct profile_spec *spec)
{
    spec->types[0] = (struct profile_type){"samples", "count"};
    spec->types[1] = (struct profile_type){"time", "nanoseconds"};
    spec->type_count = 2;
    spec->period_type = (struct profile_type){"wallclock", "nanoseconds"};
    spec->period = NS_PER_S / FGPROF_HZ;
}

static void begin(struct source_take *take)
{
    waits_open_window(take);
    waits_measure_runs(true);
}

static void end(struct source_take *take)
{
    waits_measure_runs(false);
    waits_close_window(take);
}

/* A wait that goes on counts so far. In the second look it has become longer, or is over and in the
 * table as a whole; either way the difference is its part between the two. */
static void add_waits(struct waits_copy *copy, uint64_t now_ns)
{
    for (uint32_t i = 0, count = task_slots_count(); i < count; i++) {
        struct task_facts facts;
        if (task_slots_copy(i, &facts) && facts.await_depth > 0) {
            waits_copy_add(copy, i, &facts, clock_elapsed_ns(facts.state_ns, now_ns));
        }
    }
}

static bool value(const struct site *site, int64_t *ret_values)
{
    const uint64_t s = site->ns / NS_PER_S;
    const uint64_t rest_ns = site->ns % NS_PER_S;
    ret_values[0] = (int64_t)(s * FGPROF_HZ + (rest_ns * FGPROF_HZ + NS_PER_S / 2) / NS_PER_S);
    ret_values[1] = (int64_t)site->ns;
    return site->ns > 0 && !waits_is_for_profile(site);
}

/* Running time is that of the windows that happened to be open. */
static bool value_of_wait(const struct site *site, int64_t *ret_values)
{
    return site->frames.state != 0 && value(site, ret_values);
}

static int take(struct loop *loop, struct pool *pool, struct source_take *take)
{
    struct waits_copy copy;
    if (!waits_copy(take, &copy)) {
        return UV_ENOMEM;
    }
    add_waits(&copy, clock_now_ns());
    return waits_take(loop, pool, take, &copy, take->is_window ? value : value_of_wait);
}

static uint64_t count(void)
{
    return task_slots_living();
}

const struct source source_wall = {
    .name = "wall",
    .description = "Where requests spend their time: waiting and running in the duration that you "
                   "specify in the seconds GET parameter; without it, waiting since the start.",
    .text = SOURCE_TEXT_COUNT,
    .has_labels_in_text = true,
    .has_traces = true,
    .is_growing = true,
    .describe = describe,
    .take = take,
    .begin = begin,
    .end = end,
    .count = count,
};
