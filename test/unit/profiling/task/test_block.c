/* SPDX-License-Identifier: MIT
 *
 * test_block.c - the block profile of tasks that wait in known places, and of a table that is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/code/synthetic.h"
#include "profiling/profiler.h"
#include "profiling/task/block.h"
#include "profiling/task/waits.h"
#include "profiling/write/source.h"
#include "test/unit/support/source_rig.h"

static uint32_t label;

__attribute__((noinline)) static void handler_that_waits(struct task *task)
{
    task_park(task, "redis");
    __asm__ volatile("");
}

__attribute__((noinline)) static void callback_that_waits(struct task *task)
{
    task_park(task, "mysql");
    __asm__ volatile("");
}

__attribute__((noinline)) static void handler_elsewhere(void)
{
    __asm__ volatile("");
}

static const void *code_of(void (*function)(void))
{
    return (const void *)(uintptr_t)function;
}

static void start_task(struct task *task, const void *handler)
{
    assert_int_equal(task_start(task, "test", clock_now_ns(), NULL), 0);
    task->label = label;
    task->handler = handler;
}

static void test_a_wait_is_counted_whole(void **state)
{
    struct source_rig *rig = *state;
    struct task task;
    start_task(&task, (const void *)(uintptr_t)handler_that_waits);
    handler_that_waits(&task);
    task.state_ns -= 5 * NS_PER_S; /* so it waited for some time */
    const uint64_t before_ns = clock_now_ns();
    const uint64_t waited_since_ns = task.state_ns;
    task_unpark(&task);
    const uint64_t after_ns = clock_now_ns();
    task_end(&task);

    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 1);
    const struct stacks_sample *sample = &rig->take.stacks.samples[0];
    assert_int_equal(sample->values[0], 1);
    assert_in_range(sample->values[1], before_ns - waited_since_ns, after_ns - waited_since_ns);
    assert_int_equal(sample->labels.label, label);
    assert_string_equal(sample->labels.state, "redis");
    uint64_t frames[TASK_FRAMES_MAX];
    const size_t count = stacks_read(&rig->take.stacks, sample->leaf, frames, TASK_FRAMES_MAX);
    assert_int_equal(count, 3); /* nothing outside of the handler */
    assert_int_equal(frames[0], synthetic_state("redis"));
    assert_in_range(frames[1], (uintptr_t)handler_that_waits, (uintptr_t)handler_that_waits + 64);
    assert_int_equal(frames[2], synthetic_route(label));
    assert_int_equal(source_block.count(), 1);
    assert_int_equal(block_get_stats().waits, 1);
}

static void test_a_callback_gets_its_handler(void **state)
{
    struct source_rig *rig = *state;
    struct task task;
    start_task(&task, code_of(handler_elsewhere));
    callback_that_waits(&task);
    task_end(&task); /* a wait that ends with the task counts, too */

    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 1);
    uint64_t frames[TASK_FRAMES_MAX];
    const size_t count =
        stacks_read(&rig->take.stacks, rig->take.stacks.samples[0].leaf, frames, TASK_FRAMES_MAX);
    assert_true(count >= 4);
    assert_int_equal(frames[0], synthetic_state("mysql"));
    assert_in_range(frames[1], (uintptr_t)callback_that_waits, (uintptr_t)callback_that_waits + 64);
    assert_int_equal(frames[count - 2], (uintptr_t)handler_elsewhere);
    assert_int_equal(frames[count - 1], synthetic_route(label));
}

static void test_equal_waits_are_one(void **state)
{
    struct source_rig *rig = *state;
    struct task tasks[3];
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        start_task(&tasks[i], (const void *)(uintptr_t)handler_that_waits);
        handler_that_waits(&tasks[i]); /* where it was called from makes no difference */
    }
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 0); /* what is not over is not counted */
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        task_end(&tasks[i]);
    }
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 1);
    assert_int_equal(rig->take.stacks.samples[0].values[0], 3);
}

static void test_who_asks_is_left_out(void **state)
{
    struct source_rig *rig = *state;
    const char *const states[] = {WAITS_PROFILE, WAITS_CPU_PROFILE, "redis"};
    for (size_t i = 0; i < ARRAY_COUNT(states); i++) {
        struct task task;
        start_task(&task, code_of(handler_elsewhere));
        task_park(&task, states[i]);
        task_end(&task);
    }
    source_rig_take(rig, &source_block);
    assert_int_equal(rig->take.stacks.sample_count, 1);
    assert_string_equal(rig->take.stacks.samples[0].labels.state, "redis");
    assert_int_equal(source_block.count(), 1);
    assert_int_equal(block_get_stats().waits, ARRAY_COUNT(states));
}

static void test_what_finds_no_room_is_other(void **state)
{
    struct source_rig *rig = *state;
    struct task task;
    const uint64_t extra = 10;
    start_task(&task, NULL);
    for (uint64_t i = 0; i < SITES_MAX - 1 + extra; i++) {
        task.label = (uint32_t)i;
        handler_that_waits(&task);
        task.state_ns -= NS_PER_S;
        task_unpark(&task);
    }
    task_end(&task);
    assert_int_equal(block_get_stats().waits, SITES_MAX - 1 + extra);
    assert_int_equal(block_get_stats().dropped, extra);
    source_rig_take(rig, &source_block);
    const struct stacks *stacks = &rig->take.stacks;
    assert_int_equal(stacks->sample_count, SITES_MAX);
    assert_int_equal(stacks->total, SITES_MAX - 1 + extra);
    const struct stacks_sample *other = &stacks->samples[0];
    assert_int_equal(other->labels.label, LABEL_OTHER);
    assert_string_equal(other->labels.state, "other");
    assert_int_equal(other->values[0], extra);
    assert_true(other->values[1] >= (int64_t)(extra * NS_PER_S));
}

static void test_stopped_on_its_way_an_answer_comes_home(void **state)
{
    struct source_rig *rig = *state;
    struct task task;
    start_task(&task, NULL);
    handler_that_waits(&task);
    task_end(&task);
    source_rig_begin_take(rig, &source_block);
    profiler_stop();
    source_rig_end_take(rig);
}

int main(void)
{
    label = label_intern(STR("/waits/:id"), "GET");
    const struct CMUnitTest tests[] = {
        SOURCE_TEST(test_a_wait_is_counted_whole),
        SOURCE_TEST(test_a_callback_gets_its_handler),
        SOURCE_TEST(test_equal_waits_are_one),
        SOURCE_TEST(test_who_asks_is_left_out),
        SOURCE_TEST(test_what_finds_no_room_is_other),
        SOURCE_TEST(test_stopped_on_its_way_an_answer_comes_home),
    };
    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
