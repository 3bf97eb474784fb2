/* SPDX-License-Identifier: MIT
 *
 * source_rig.h - a started profiler on a loop of its own, and takes of its sources.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_SOURCE_RIG_H
#define TOQ_TEST_UNIT_SUPPORT_SOURCE_RIG_H

#include "profiling/profiler.h"
#include "profiling/write/source.h"
#include "test/unit/support/pool_rig.h"

struct source_rig {
    bool is_window; /* what the source is told of the look */
    struct loop *loop;
    struct source_take take; /* the last one */
    int done_count;
    int status;
};

static inline void source_rig_on_done(struct source_take *take, int status)
{
    struct source_rig *rig = CONTAINER_OF(take, struct source_rig, take);
    rig->done_count++;
    rig->status = status;
    loop_stop(rig->loop);
}

static inline void source_rig_begin_take(struct source_rig *rig, const struct source *source)
{
    stacks_deinit(&rig->take.stacks);
    rig->take = (struct source_take){.done = source_rig_on_done, .is_window = rig->is_window};
    rig->done_count = 0;
    assert_int_equal(source->take(rig->loop, pool_rig_get(), &rig->take), 0);
    assert_int_equal(rig->done_count, 0);
}

static inline void source_rig_end_take(struct source_rig *rig)
{
    do {
        loop_run(rig->loop);
    } while (rig->done_count == 0);
    assert_int_equal(rig->done_count, 1);
}

/* source_rig_take takes and waits for it. */
static inline void source_rig_take(struct source_rig *rig, const struct source *source)
{
    source_rig_begin_take(rig, source);
    source_rig_end_take(rig);
    assert_int_equal(rig->status, 0);
}

static inline int source_rig_set_up_with(void **state, uint64_t block_ms)
{
    static struct source_rig rig;
    rig = (struct source_rig){0};
    assert_int_equal(loop_create(&rig.loop), 0);
    const struct profiler_options options = {
        .loop = rig.loop, .pool = pool_rig_get(), .block_ms = block_ms};
    assert_int_equal(profiler_start(&options), 0);
    *state = &rig;
    return 0;
}

static inline int source_rig_set_up(void **state)
{
    return source_rig_set_up_with(state, 0);
}

static inline int source_rig_tear_down(void **state)
{
    struct source_rig *rig = *state;
    profiler_stop();
    stacks_deinit(&rig->take.stacks);
    loop_destroy(rig->loop);
    return 0;
}

#define SOURCE_TEST(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, source_rig_set_up, source_rig_tear_down)

#endif
