/* SPDX-License-Identifier: MIT
 *
 * test_goroutineleak.c - of what is in flight the requests alone that were found to be forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/loop/task.h"
#include "profiling/write/source.h"
#include "test/unit/support/pool_rig.h"

static struct loop *loop;
static bool is_taken;
static int taken_status;

static void on_taken(struct source_take *take, int status)
{
    (void)take;
    is_taken = true;
    taken_status = status;
}

static struct source_take take_profile(void)
{
    struct source_take take = {.done = on_taken};
    is_taken = false;
    assert_int_equal(source_goroutineleak.take(loop, pool_rig_get(), &take), 0);
    while (!is_taken) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    assert_int_equal(taken_status, 0);
    return take;
}

static void test_the_forgotten_are_told_apart(void **state)
{
    (void)state;
    struct task tasks[2];
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        assert_int_equal(task_start(&tasks[i], "http", 0, NULL), 0);
        task_park(&tasks[i], "timer");
    }
    struct source_take take = take_profile();
    assert_int_equal(take.stacks.sample_count, 0);
    assert_int_equal(source_goroutineleak.count(), 0);
    task_set_state(&tasks[1], task_state_forgotten);
    take = take_profile();
    assert_int_equal(take.stacks.sample_count, 1);
    assert_int_equal(take.stacks.samples[0].values[0], 1);
    assert_string_equal(take.stacks.samples[0].labels.state, "forgotten");
    assert_int_equal(source_goroutineleak.count(), 1);
    stacks_deinit(&take.stacks);
    task_end(&tasks[0]);
    task_end(&tasks[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_forgotten_are_told_apart),
    };
    if (loop_create(&loop) < 0) {
        return 1;
    }
    return cmocka_run_group_tests_name("goroutineleak", tests, NULL, NULL);
}
