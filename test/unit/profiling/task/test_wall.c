/* SPDX-License-Identifier: MIT
 *
 * test_wall.c - the time of tasks between two looks: waits that lie in the window as a whole, that
 * begin before it, that end after it, and running time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/clock.h"
#include "core/task/task.h"
#include "profiling/code/synthetic.h"
#include "profiling/task/task_frames.h"
#include "profiling/task/waits.h"
#include "profiling/write/source.h"
#include "test/unit/support/source_rig.h"

static uint32_t label;

__attribute__((noinline)) static void handler_that_waits(struct task *task)
{
    task_park(task, "redis");
    __asm__ volatile("");
}

__attribute__((noinline)) static void handler_that_runs(void)
{
    const uint64_t end_ns = clock_now_ns() + 2 * NS_PER_MS;
    while (clock_now_ns() < end_ns) {
    }
}

static void start_task(struct task *task)
{
    assert_int_equal(task_start(task, "test", clock_now_ns(), NULL), 0);
    task_describe(task, "test", label, (const void *)(uintptr_t)handler_that_runs);
}

/* What the second look sees more than the first, of a state. */
static int64_t difference(struct source_rig *rig, struct stacks *first, const char *state,
                          struct stacks_sample *ret_sample)
{
    stacks_merge(&rig->take.stacks, first, -1);
    stacks_deinit(first);
    int64_t sum_ns = 0;
    for (size_t i = 0; i < rig->take.stacks.sample_count; i++) {
        const struct stacks_sample *sample = &rig->take.stacks.samples[i];
        if (strcmp(sample->labels.state, state) == 0) {
            sum_ns += sample->values[1];
            *ret_sample = *sample;
        }
    }
    return sum_ns;
}

static struct stacks take_first(struct source_rig *rig)
{
    source_wall.begin(&rig->take);
    rig->is_window = true;
    source_rig_take(rig, &source_wall);
    const struct stacks first = rig->take.stacks;
    rig->take.stacks = (struct stacks){0};
    return first;
}

static void take_second(struct source_rig *rig)
{
    source_rig_take(rig, &source_wall);
    source_wall.end(&rig->take);
    rig->is_window = false;
}

/* make_older lets a task have waited for longer than it has. */
static void make_older(struct task *task, uint64_t ns)
{
    task->state_ns -= ns;
    task_slots_publish_state(task->slot, task);
}

static void test_of_a_wait_only_the_part_in_the_window_counts(void **state)
{
    struct source_rig *rig = *state;
    struct task tasks[3];
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        start_task(&tasks[i]);
    }
    handler_that_waits(&tasks[0]); /* ends in the window */
    make_older(&tasks[0], 100 * NS_PER_S);
    handler_that_waits(&tasks[1]); /* lasts longer than the window */
    make_older(&tasks[1], 100 * NS_PER_S);
    const uint64_t begin_ns = clock_now_ns();
    struct stacks first = take_first(rig);
    const uint64_t first_ns = clock_now_ns();
    handler_that_runs();
    const uint64_t leave_ns = clock_now_ns();
    task_end(&tasks[0]);
    const uint64_t left_ns = clock_now_ns();
    handler_that_waits(&tasks[2]); /* begins in the window */
    const uint64_t parked_ns = clock_now_ns();
    handler_that_runs();
    const uint64_t last_ns = clock_now_ns();
    take_second(rig);
    const uint64_t end_ns = clock_now_ns();

    struct stacks_sample sample;
    const int64_t ns = difference(rig, &first, "redis", &sample);
    const uint64_t least_ns = leave_ns - first_ns + (last_ns - first_ns) + (last_ns - parked_ns);
    const uint64_t most_ns = left_ns - begin_ns + (end_ns - begin_ns) + (end_ns - left_ns);
    assert_in_range(ns, least_ns, most_ns);
    assert_int_equal(sample.labels.label, label);
    for (size_t i = 1; i < ARRAY_COUNT(tasks); i++) {
        task_end(&tasks[i]);
    }
}

static void test_running_counts_in_a_window_alone(void **state)
{
    struct source_rig *rig = *state;
    struct task task;
    start_task(&task);
    struct task *none = task_enter(&task);
    handler_that_runs(); /* before it */
    task_leave(none);
    struct stacks first = take_first(rig);
    none = task_enter(&task);
    const uint64_t start_ns = clock_now_ns();
    handler_that_runs();
    const uint64_t ran_ns = clock_now_ns() - start_ns;
    task_leave(none);
    const uint64_t entered_ns = clock_now_ns() - start_ns;
    take_second(rig);
    none = task_enter(&task);
    handler_that_runs(); /* after it */
    task_leave(none);
    task_end(&task);

    struct stacks_sample sample;
    const int64_t ns = difference(rig, &first, "running", &sample);
    assert_in_range(ns, ran_ns, entered_ns + NS_PER_MS);
    assert_int_equal(sample.labels.label, label);
    uint64_t frames[TASK_FRAMES_MAX];
    assert_int_equal(stacks_read(&rig->take.stacks, sample.leaf, frames, TASK_FRAMES_MAX), 2);
    assert_int_equal(frames[0], (uintptr_t)handler_that_runs);
    assert_int_equal(frames[1], synthetic_route(label));

    source_rig_take(rig, &source_wall); /* since the start: no window's running time */
    struct stacks none_before = {0};
    assert_int_equal(difference(rig, &none_before, "running", &sample), 0);
    stacks_deinit(&rig->take.stacks);

    struct stacks later = take_first(rig); /* what ran between the windows is in neither */
    take_second(rig);
    assert_int_equal(difference(rig, &later, "running", &sample), 0);
}

static void test_who_asks_is_left_out(void **state)
{
    struct source_rig *rig = *state;
    struct task tasks[2];
    start_task(&tasks[0]);
    task_park(&tasks[0], WAITS_PROFILE);
    make_older(&tasks[0], NS_PER_S);
    task_end(&tasks[0]); /* over, and another that goes on */
    start_task(&tasks[0]);
    task_park(&tasks[0], WAITS_CPU_PROFILE);
    make_older(&tasks[0], NS_PER_S);
    start_task(&tasks[1]);
    handler_that_waits(&tasks[1]);
    make_older(&tasks[1], NS_PER_S);
    source_rig_take(rig, &source_wall);
    assert_int_equal(rig->take.stacks.sample_count, 1);
    assert_string_equal(rig->take.stacks.samples[0].labels.state, "redis");
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        task_end(&tasks[i]);
    }
}

static void test_the_count_is_that_of_a_sampler(void **state)
{
    struct source_rig *rig = *state;
    struct task task;
    start_task(&task);
    handler_that_waits(&task);
    make_older(&task, 1000 * NS_PER_S);
    source_rig_take(rig, &source_wall);
    assert_int_equal(source_wall.count(), 1);
    task_end(&task);
    const struct stacks_sample *sample = &rig->take.stacks.samples[0];
    const int64_t wanted = (sample->values[1] * 99 + (int64_t)NS_PER_S / 2) / (int64_t)NS_PER_S;
    assert_true(wanted >= 99000);
    assert_int_equal(sample->values[0], wanted);
}

int main(void)
{
    label = label_intern(STR("/wall/:id"), "GET");
    const struct CMUnitTest tests[] = {
        SOURCE_TEST(test_of_a_wait_only_the_part_in_the_window_counts),
        SOURCE_TEST(test_running_counts_in_a_window_alone),
        SOURCE_TEST(test_who_asks_is_left_out),
        SOURCE_TEST(test_the_count_is_that_of_a_sampler),
    };
    return cmocka_run_group_tests_name("wall", tests, NULL, NULL);
}
