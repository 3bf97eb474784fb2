/* SPDX-License-Identifier: MIT
 *
 * block.c - makes the block profile: contentions and delay, as Go's.
 */
#include "profiling/task/block.h"

#include <stdlib.h>

#include "profiling/task/waits.h"
#include "profiling/task/watchdog.h"
#include "profiling/write/source.h"

int block_start(struct loop *loop, uint64_t stall_ms)
{
    int status = waits_start();
    if (status == 0 && stall_ms > 0) {
        status = watchdog_start(loop, stall_ms * NS_PER_MS);
        if (status != 0) {
            waits_stop();
        }
    }
    return status;
}

void block_stop(void)
{
    watchdog_stop();
    waits_stop();
}

struct block_stats block_get_stats(void)
{
    const struct waits_stats waits = waits_get_stats();
    const struct watchdog_stats watchdog = watchdog_get_stats();
    return (struct block_stats){
        .waits = waits.count,
        .dropped = waits.dropped + watchdog.dropped,
        .watchdog = watchdog,
    };
}

static void describe(struct profile_spec *spec)
{
    spec->types[0] = (struct profile_type){"contentions", "count"};
    spec->types[1] = (struct profile_type){"delay", "nanoseconds"};
    spec->type_count = 2;
    spec->period_type = spec->types[0];
    spec->period = 1;
}

static bool value(const struct site *site, int64_t *ret_values)
{
    ret_values[0] = (int64_t)site->count;
    ret_values[1] = (int64_t)site->ns;
    return site->frames.state != 0 && site->count + site->ns > 0 && !waits_is_for_profile(site);
}

static int take(struct loop *loop, struct pool *pool, struct source_take *take)
{
    const struct wait_window *window = take->window;
    struct waits_copy copy;
    if (!waits_copy(take, &copy)) {
        return UV_ENOMEM;
    }
    watchdog_add_stalls(&take->stacks, &take->traces, window == NULL ? 0 : window->stall_mark);
    return waits_take(loop, pool, take, &copy, value);
}

static uint64_t count(void)
{
    struct waits_copy copy;
    uint64_t places = watchdog_place_count();
    if (waits_copy(NULL, &copy)) {
        for (size_t i = 0; i < copy.sites->count; i++) {
            int64_t values[STACKS_VALUES_MAX];
            places += value(&copy.sites->items[i], values);
        }
        waits_copy_deinit(&copy);
    }
    return places;
}

const struct source source_block = {
    .name = "block",
    .description = "Stack traces that led to blocking on synchronization primitives",
    .text = SOURCE_TEXT_CONTENTION,
    .has_traces = true,
    .is_growing = true,
    .describe = describe,
    .take = take,
    .begin = waits_open_window,
    .end = waits_close_window,
    .count = count,
};
