/* SPDX-License-Identifier: MIT
 *
 * test_threadcreate.c - who created which threads, before and after there is an unwind table; in
 * libraries; failures; more creators than fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/task/task.h"
#include "profiling/code/symbol.h"
#include "profiling/profiler.h"
#include "profiling/write/source.h"
#include "test/unit/support/pool_rig.h"

static struct loop *loop;
static uint32_t label;
static struct source_take take;
static int taken_calls;

static void *run(void *arg)
{
    return arg;
}

static __attribute__((noinline)) void create_thread(void)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static __attribute__((noinline)) void create_early(void)
{
    create_thread();
    __asm__ volatile("");
}

static __attribute__((noinline)) void create_late(void)
{
    create_thread();
    __asm__ volatile("nop");
}

/* create_deep creates a thread from a stack that no other depth has. */
static __attribute__((noinline)) void create_deep(int depth)
{
    if (depth == 0) {
        create_thread();
    } else {
        create_deep(depth - 1);
    }
    __asm__ volatile("");
}

static void on_taken(struct source_take *taken, int status)
{
    assert_ptr_equal(taken, &take);
    assert_int_equal(status, 0);
    taken_calls++;
}

static void take_profile(void)
{
    stacks_deinit(&take.stacks);
    take = (struct source_take){.done = on_taken};
    taken_calls = 0;
    assert_int_equal(source_threadcreate.take(loop, pool_rig_get(), &take), 0);
    assert_int_equal(taken_calls, 0);
    while (taken_calls == 0) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
}

static bool has_function(const struct stacks_sample *sample, const char *function)
{
    uint64_t frames[STACKS_FRAMES_MAX];
    const size_t count = stacks_read(&take.stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
    for (size_t i = 0; i < count; i++) {
        struct symbol_result symbol;
        symbol_lookup(frames[i], &symbol);
        for (size_t s = 0; s < symbol.count; s++) {
            if (strcmp(symbol.frames[s].function, function) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* created_by is how many threads some function has created, or what it called. */
static int64_t created_by(const char *function)
{
    int64_t sum = 0;
    for (size_t i = 0; i < take.stacks.sample_count; i++) {
        const struct stacks_sample *sample = &take.stacks.samples[i];
        sum += has_function(sample, function) ? sample->values[0] : 0;
    }
    return sum;
}

static int start(void **state)
{
    (void)state;
    assert_int_equal(loop_create(&loop), 0);
    assert_int_equal(
        profiler_start(&(struct profiler_options){.loop = loop, .pool = pool_rig_get()}), 0);
    take_profile(); /* the unwind table was made before it, by one of as many workers */
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stacks_deinit(&take.stacks);
    profiler_stop();
    while (pool_rig_is_waiting(loop)) {
        (void)uv_run(loop_uv(loop), UV_RUN_ONCE);
    }
    (void)uv_run(loop_uv(loop), UV_RUN_NOWAIT);
    loop_destroy(loop);
    return 0;
}

static void test_creators_from_before_the_profiler_are_known(void **state)
{
    (void)state;
    take_profile();
    assert_int_equal(created_by("test_threadcreate.create_early"), 2);
    for (size_t i = 0; i < take.stacks.sample_count; i++) {
        assert_false(has_function(&take.stacks.samples[i], "pthread_create"));
    }
}

static void test_creators_are_counted_while_it_runs(void **state)
{
    (void)state;
    const uint64_t before = source_threadcreate.count();
    const uint32_t previous = task_swap_label(label);
    volatile int count = 3; /* so that it stays one call in a loop */
    for (int i = 0; i < count; i++) {
        create_late();
    }
    (void)task_swap_label(previous);
    take_profile();
    assert_int_equal(source_threadcreate.count(), before + 3);
    assert_int_equal(created_by("test_threadcreate.create_late"), 3);
    for (size_t i = 0; i < take.stacks.sample_count; i++) {
        const struct stacks_sample *sample = &take.stacks.samples[i];
        if (has_function(sample, "test_threadcreate.create_late")) {
            assert_int_equal(sample->labels.label, label);
            assert_int_equal(sample->values[0], 3);
            assert_true(has_function(sample, "main"));
        }
    }
}

static void test_threads_of_a_pool_have_their_creators(void **state)
{
    (void)state;
    take_profile(); /* by a thread of the pool */
    take_profile();
    assert_in_range(created_by("pool_submit"), 1, 2);
    assert_int_equal(created_by("pool_submit"), created_by("thread_start"));
}

static void test_a_failure_counts_nothing(void **state)
{
    (void)state;
    const uint64_t before = source_threadcreate.count();
    pthread_attr_t attr;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, (size_t)1 << 46), 0); /* more than there is */
    assert_int_equal(pthread_create(&thread, &attr, run, NULL), EAGAIN);
    assert_int_equal(pthread_attr_destroy(&attr), 0);
    assert_int_equal(source_threadcreate.count(), before);
}

/* The last test: it fills the table. */
static void test_more_creators_than_fit_are_dropped_and_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        (void)task_swap_label((uint32_t)i);
        create_deep(i % 40);
    }
    (void)task_swap_label(LABEL_NONE);
    take_profile();
    assert_true(take.stacks.dropped > 0);
    assert_int_equal(take.stacks.total + take.stacks.dropped, source_threadcreate.count());
}

int main(void)
{
    label = label_intern(STR("/things/:id"), "GET");
    create_early();
    create_early();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_creators_from_before_the_profiler_are_known, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_creators_are_counted_while_it_runs, start, stop),
        cmocka_unit_test_setup_teardown(test_threads_of_a_pool_have_their_creators, start, stop),
        cmocka_unit_test_setup_teardown(test_a_failure_counts_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_more_creators_than_fit_are_dropped_and_counted, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
