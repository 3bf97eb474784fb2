/* SPDX-License-Identifier: MIT
 *
 * test_waits.c - the table of waits without memory, at the start and when a profile is taken.
 *
 * Tests: profiling/task/sites.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define calloc failing_calloc
#include "profiling/task/sites.c"
#include "profiling/task/waits.c"
#undef calloc

#include "core/base/clock.h"
#include "test/unit/support/source_rig.h"

static void wait_once(void)
{
    struct task task;
    assert_int_equal(task_start(&task, "test", clock_now_ns(), NULL), 0);
    task_park(&task, "redis");
    task_end(&task);
}

static void test_without_memory_nothing_starts(void **state)
{
    const struct source_rig *rig = *state;
    profiler_stop();
    wait_once();
    const struct profiler_options options = {.loop = rig->loop, .pool = pool_rig_get()};
    allocations_left = 0;
    assert_int_equal(profiler_start(&options), UV_ENOMEM);
    allocations_left = SIZE_MAX;
    assert_int_equal(profiler_start(&options), 0);
    assert_int_equal(waits_get_stats().count, 0);
}

/* One take without its nth allocation. Returns: whether it was one too few. */
static bool is_refused(struct source_rig *rig, const struct source *source, size_t n)
{
    stacks_deinit(&rig->take.stacks);
    rig->take = (struct source_take){.done = source_rig_on_done};
    rig->done_count = 0;
    allocations_left = n;
    const int status = source->take(rig->loop, pool_rig_get(), &rig->take);
    allocations_left = SIZE_MAX;
    if (status != 0) {
        assert_int_equal(status, UV_ENOMEM);
        assert_int_equal(rig->done_count, 0);
        return true;
    }
    source_rig_end_take(rig);
    assert_int_equal(rig->status, 0);
    return false;
}

static void test_without_memory_nothing_is_taken(void **state)
{
    struct source_rig *rig = *state;
    const struct source *const sources[] = {&source_block, &source_wall};
    wait_once();
    for (size_t i = 0; i < ARRAY_COUNT(sources); i++) {
        size_t refusals = 0;
        while (is_refused(rig, sources[i], refusals)) {
            refusals++;
        }
        assert_int_equal(refusals, 2); /* the copy, and the answer */
        assert_int_equal(rig->take.stacks.sample_count, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOURCE_TEST(test_without_memory_nothing_starts),
        SOURCE_TEST(test_without_memory_nothing_is_taken),
    };
    return cmocka_run_group_tests_name("waits", tests, NULL, NULL);
}
