/* SPDX-License-Identifier: MIT
 *
 * test_task.c - the registry and its slots, who holds a task, the current one and its label,
 * cancelling once.
 *
 * Tests: core/task/task_slots.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/task/task.h"

#define CANCELLED (-125)

static unsigned cancelled_count;
static int cancelled_status;
static struct task *also_ended; /* by the next on_cancel */
static struct task extra;       /* started by the next on_cancel when is_extra_due */
static bool is_extra_due;

static void on_cancel(struct task *task, int status)
{
    cancelled_count++;
    cancelled_status = status;
    task_end(task);
    if (also_ended != NULL) {
        task_end(also_ended);
    }
    if (is_extra_due) {
        is_extra_due = false;
        assert_int_equal(task_start(&extra, "extra", 0, on_cancel), 0);
    }
}

static int setup(void **state)
{
    (void)state;
    cancelled_count = 0;
    also_ended = NULL;
    is_extra_due = false;
    return 0;
}

static void collect(struct task *task, void *arg)
{
    uint64_t *sum = arg;
    *sum += task->id;
    task_end(task);
}

static void test_the_registry_has_those_that_have_not_ended(void **state)
{
    (void)state;
    struct task tasks[3];
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        assert_int_equal(task_start(&tasks[i], "test", 7, NULL), 0);
        assert_int_equal(tasks[i].start_ns, 7);
        assert_string_equal(tasks[i].state, "receive");
    }
    assert_int_equal(task_count(), 3);
    task_end(&tasks[1]);
    task_end(&tasks[1]);
    assert_int_equal(task_count(), 2);
    uint64_t sum = 0;
    task_for_each(collect, &sum);
    assert_int_equal(sum, tasks[0].id + tasks[2].id);
    assert_int_equal(task_count(), 0);
    assert_true(tasks[0].id < tasks[2].id);
}

static void test_the_current_task_nests(void **state)
{
    (void)state;
    struct task outer;
    struct task inner;
    assert_int_equal(task_start(&outer, "test", 0, NULL), 0);
    assert_int_equal(task_start(&inner, "test", 0, NULL), 0);
    outer.label = 11;
    inner.label = 12;
    struct task *none = task_enter(&outer);
    assert_null(none);
    assert_int_equal(task_current_label(), 11);
    struct task *previous = task_enter(&inner);
    assert_int_equal(task_current_label(), 12);
    task_end(&inner);
    assert_ptr_equal(task_current(), &inner); /* what its callback goes on with is its own */
    assert_int_equal(task_current_label(), 12);
    task_leave(previous);
    assert_ptr_equal(task_current(), &outer);
    task_leave(none);
    assert_int_equal(task_current_label(), LABEL_NONE);
    task_end(&outer);
}

static unsigned freed_count;

static void on_free(struct task *task)
{
    freed_count++;
    free(task);
}

static void test_memory_goes_when_the_last_holder_has_gone(void **state)
{
    (void)state;
    struct task *doomed = calloc(1, sizeof(*doomed));
    struct task other;
    assert_non_null(doomed);
    freed_count = 0;
    assert_int_equal(task_start(doomed, "test", 0, NULL), 0);
    assert_int_equal(task_start(&other, "test", 0, NULL), 0);
    doomed->on_free = on_free;
    doomed->label = 11;
    task_hold(doomed); /* a query, say */
    struct task *none = task_enter(doomed);
    struct task *first = task_enter(doomed); /* by two callbacks, one from inside the other */
    struct task *second = task_enter(&other);
    task_end(doomed);
    task_end(doomed);
    assert_int_equal(task_count(), 1);
    task_leave(second);
    assert_ptr_equal(task_current(), doomed);
    task_leave(first);
    assert_ptr_equal(task_current(), doomed);
    assert_int_equal(task_current_label(), 11);
    task_leave(none);
    assert_null(task_current());
    assert_int_equal(freed_count, 0);
    task_release(doomed);
    assert_int_equal(freed_count, 1);
    task_end(&other);
}

static void test_a_reference_is_stale_once_its_task_has_ended(void **state)
{
    (void)state;
    struct task task;
    const struct task_ref none = {0};
    assert_null(task_from_ref(none));
    assert_int_equal(task_start(&task, "test", 0, NULL), 0);
    const struct task_ref ref = task_make_ref(&task);
    assert_ptr_equal(task_from_ref(ref), &task);
    assert_int_equal(task.holds, 1);
    task_end(&task);
    assert_null(task_from_ref(ref));
    task_release(&task);
    assert_int_equal(task_start(&task, "test", 0, NULL), 0); /* in the same slot */
    assert_int_equal(task_make_ref(&task).slot, ref.slot);
    assert_null(task_from_ref(ref));
    task_end(&task);
    assert_int_equal(task_make_ref(&task).id, 0);
}

static void test_a_copy_shows_what_the_task_does(void **state)
{
    (void)state;
    struct task task;
    struct task_facts facts;
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    const uint32_t slot = task.slot;
    assert_true(slot < task_slots_count());
    task_describe(&task, "other", 5, on_free);
    assert_true(task_slots_copy(slot, &facts));
    assert_int_equal(facts.id, task.id);
    assert_string_equal(facts.kind, "other");
    assert_string_equal(facts.state, "receive");
    assert_int_equal(facts.label, 5);
    assert_int_equal(facts.start_ns, 7);
    assert_int_equal(facts.await_depth, 0);
    assert_ptr_equal(facts.handler, on_free);
    task_park(&task, "mysql");
    assert_true(task_slots_copy(slot, &facts));
    assert_string_equal(facts.state, "mysql");
    assert_int_equal(facts.await_depth, 1);
    assert_ptr_equal(facts.await_stack[0], task.await_stack[0]);
    task_unpark(&task);
    assert_true(task_slots_copy(slot, &facts));
    assert_int_equal(facts.await_depth, 0);
    task_end(&task);
    assert_false(task_slots_copy(slot, &facts));
}

static void test_a_task_runs_while_a_callback_of_it_does(void **state)
{
    (void)state;
    struct task task;
    struct task_facts facts;
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    const struct task_thread *thread = task_slots_thread();
    assert_false(task_copy_running(thread, &facts));
    struct task *none = task_enter(&task);
    assert_string_equal(task.state, "running");
    assert_true(task_copy_running(thread, &facts));
    assert_int_equal(facts.id, task.id);
    assert_string_equal(facts.state, "running");
    task_leave(none);
    assert_false(task_copy_running(thread, &facts));
    assert_true(task_slots_copy(task.slot, &facts));
    assert_string_equal(facts.state, "waiting");
    assert_int_equal(facts.await_depth, 0);
    none = task_enter(&task);
    task_park(&task, "redis");
    task_leave(none);
    assert_true(task_slots_copy(task.slot, &facts));
    assert_string_equal(facts.state, "redis");
    task_end(&task);
}

/* What a thread sees of the tasks of another. */
static void *look_at_anothers(void *arg)
{
    const struct task *task = arg;
    struct task own;
    struct task_facts facts;
    bool is_right = task_slots_task(task->slot) == NULL && task_count() == 0 &&
                    task_slots_copy(task->slot, &facts) && task_slots_living() == 1 &&
                    task_current() == NULL && task_current_label() == LABEL_NONE;
    is_right = is_right && task_start(&own, "own", 1, NULL) == 0 && task_count() == 1 &&
               task_slots_living() == 2 && task_from_ref(task_make_ref(task)) == NULL;
    task_end(&own);
    return is_right ? arg : NULL;
}

static void test_a_task_is_its_threads(void **state)
{
    (void)state;
    struct task task;
    pthread_t thread;
    void *seen;
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    task.label = 11;
    struct task *previous = task_enter(&task);
    assert_int_equal(pthread_create(&thread, NULL, look_at_anothers, &task), 0);
    assert_int_equal(pthread_join(thread, &seen), 0);
    assert_ptr_equal(seen, &task);
    assert_int_equal(task_current_label(), 11);
    task_leave(previous);
    assert_int_equal(task_count(), 1);
    task_end(&task);
    assert_int_equal(task_slots_living(), 0);
}

/* A thread that copies while the loop writes: no copy mixes two tasks. */
static void *copy_for_long(void *arg)
{
    const _Atomic bool *is_over = arg;
    uintptr_t seen = 0;
    while (!*is_over) {
        struct task_facts facts;
        for (uint32_t i = 0; i < task_slots_count(); i++) {
            if (task_slots_copy(i, &facts) && facts.start_ns > 1000) {
                seen++;
                if (facts.state_ns != facts.start_ns || facts.label != facts.start_ns % 1000) {
                    return NULL;
                }
            }
        }
    }
    return (void *)(seen + 1);
}

static void test_a_copy_is_whole(void **state)
{
    (void)state;
    struct task task;
    pthread_t thread;
    _Atomic bool is_over = false;
    assert_int_equal(pthread_create(&thread, NULL, copy_for_long, &is_over), 0);
    for (uint64_t i = 1001; i < 200000; i++) {
        assert_int_equal(task_start(&task, "test", 0, NULL), 0);
        task.start_ns = i;
        task.state_ns = i;
        task.label = (uint32_t)(i % 1000);
        task_slots_publish(task.slot, &task);
        task_end(&task);
    }
    is_over = true;
    void *seen = NULL;
    assert_int_equal(pthread_join(thread, &seen), 0);
    assert_non_null(seen);
}

static void test_tasks_nest_as_deep_as_may_be(void **state)
{
    (void)state;
    struct task task;
    struct task *previous[40];
    assert_int_equal(task_start(&task, "test", 0, NULL), 0);
    for (size_t i = 0; i < ARRAY_COUNT(previous); i++) {
        previous[i] = task_enter(&task);
        assert_ptr_equal(task_current(), &task);
    }
    for (size_t i = ARRAY_COUNT(previous); i > 1; i--) {
        task_leave(previous[i - 1]);
    }
    assert_ptr_equal(task_current(), &task);
    task_leave(previous[0]);
    assert_null(task_current());
    task_end(&task);
}

static void test_a_parked_task_says_where(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 0, NULL), 0);
    task_park(&task, "sleep");
    assert_string_equal(task.state, "sleep");
    assert_true(task.await_depth > 0);
    assert_true(task.state_ns > 0);
    task_unpark(&task);
    assert_string_equal(task.state, "running");
    assert_int_equal(task.await_depth, 0);
    task_end(&task);
}

/* Two calls deep; nothing is inlined and no call is the last thing its caller does. */
__attribute__((noinline)) static void await(struct task *task, const char *what)
{
    task_park(task, what);
    __asm__ volatile("");
}

__attribute__((noinline)) static void handle(struct task *task, const char *what)
{
    await(task, what);
    __asm__ volatile("");
}

static bool is_in(const void *address, void (*function)(struct task *, const char *))
{
    const uintptr_t start = (uintptr_t)function;
    return (uintptr_t)address > start && (uintptr_t)address < start + 256;
}

static void test_a_parked_task_keeps_its_callers_when_asked(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 0, NULL), 0);
    handle(&task, "sleep");
    assert_int_equal(task.await_depth, 1);
    assert_true(is_in(task.await_stack[0], await));
    task_unpark(&task);
    task_keep_await_stacks(true);
    handle(&task, "sleep");
    task_keep_await_stacks(false);
    assert_in_range(task.await_depth, 3, TASK_AWAIT_FRAMES_MAX);
    assert_true(is_in(task.await_stack[0], await));
    assert_true(is_in(task.await_stack[1], handle));
    await(&task, "mysql"); /* waits on, for something else: who waits is the same */
    assert_string_equal(task.state, "mysql");
    assert_true(is_in(task.await_stack[1], handle));
    task_end(&task);
}

static struct task *waited;
static const char *waited_in;
static unsigned wait_count;

static void on_wait(const struct task *task, uint64_t now_ns)
{
    assert_true(now_ns >= task->state_ns);
    assert_true(task->await_depth > 0);
    assert_ptr_equal(task, waited);
    waited_in = task->state;
    wait_count++;
}

static void test_every_wait_is_told_once(void **state)
{
    (void)state;
    struct task task;
    waited = &task;
    wait_count = 0;
    task_on_wait(on_wait);
    assert_int_equal(task_start(&task, "test", 0, NULL), 0);
    task_park(&task, "mysql pool");
    assert_int_equal(wait_count, 0);
    task_park(&task, "mysql");
    assert_int_equal(wait_count, 1);
    assert_string_equal(waited_in, "mysql pool");
    task_unpark(&task);
    assert_int_equal(wait_count, 2);
    assert_string_equal(waited_in, "mysql");
    task_unpark(&task); /* it runs already */
    assert_int_equal(wait_count, 2);
    task_park(&task, "write");
    task_end(&task);
    assert_int_equal(wait_count, 3);
    task_on_wait(NULL);
}

static uint64_t ran_ns[2]; /* of tasks with label 0 and 1 */

static void on_run(const struct task *task, uint64_t ns)
{
    assert_int_equal(task->await_depth, 0);
    ran_ns[task->label] += ns;
}

static uint64_t spin(uint64_t ns)
{
    const uint64_t start_ns = clock_now_ns();
    while (clock_now_ns() - start_ns < ns) {
    }
    return clock_now_ns() - start_ns;
}

static void test_running_is_told_while_somebody_asks(void **state)
{
    (void)state;
    struct task outer;
    struct task inner;
    assert_int_equal(task_start(&outer, "test", 0, NULL), 0);
    assert_int_equal(task_start(&inner, "test", 0, NULL), 0);
    outer.label = 0;
    inner.label = 1;
    struct task *none = task_enter(&outer);
    task_on_run(on_run);
    const uint64_t start_ns = clock_now_ns();
    uint64_t inner_ns = 0;
    (void)spin(NS_PER_MS);
    struct task *previous = task_enter(&inner);
    inner_ns += spin(NS_PER_MS);
    task_park(&inner, "sleep");
    const uint64_t waited_ns = spin(10 * NS_PER_MS); /* it waits: this is nobody's */
    task_unpark(&inner);
    inner_ns += spin(NS_PER_MS);
    task_end(&inner);
    task_leave(previous);
    (void)spin(NS_PER_MS);
    task_leave(none);
    const uint64_t all_ns = clock_now_ns() - start_ns;
    (void)spin(NS_PER_MS);
    task_on_run(NULL);
    assert_true(ran_ns[0] >= 2 * NS_PER_MS);
    assert_true(ran_ns[1] >= inner_ns);
    /* it began to be told before the clock was read here, by less than the last spin */
    assert_true(ran_ns[0] + ran_ns[1] + waited_ns <= all_ns + NS_PER_MS);
    task_end(&outer);
}

static void test_cancel_runs_once(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 0, on_cancel), 0);
    task_cancel(&task, CANCELLED);
    task_cancel(&task, CANCELLED);
    assert_int_equal(cancelled_count, 1);
    assert_int_equal(cancelled_status, CANCELLED);
    assert_int_equal(task_start(&task, "test", 0, NULL), 0);
    task_cancel(&task, CANCELLED);
    task_end(&task);
}

static void test_cancelling_one_may_end_another(void **state)
{
    (void)state;
    struct task tasks[3];
    for (size_t i = 0; i < ARRAY_COUNT(tasks); i++) {
        assert_int_equal(task_start(&tasks[i], "test", 0, on_cancel), 0);
    }
    also_ended = &tasks[0]; /* the one that would be cancelled last */
    for (size_t i = 1; i < ARRAY_COUNT(tasks); i++) {
        also_ended = tasks[i].slot > also_ended->slot ? &tasks[i] : also_ended;
    }
    assert_int_equal(task_cancel_all(CANCELLED), 2);
    assert_int_equal(cancelled_count, 2);
    assert_int_equal(task_count(), 0);
}

static void test_what_a_cancel_starts_is_not_cancelled(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 0, on_cancel), 0);
    is_extra_due = true;
    assert_int_equal(task_cancel_all(CANCELLED), 1);
    assert_int_equal(task_count(), 1);
    task_end(&extra);
    assert_int_equal(task_cancel_all(CANCELLED), 0);
}

static const struct trace_context *get_trace(struct task *task)
{
    static const struct trace_context trace = {.span_id = {1}};
    assert_int_equal(task->start_ns, 7);
    return &trace;
}

static void test_the_trace_is_the_current_task_s(void **state)
{
    (void)state;
    struct task traced;
    struct task other;
    assert_int_equal(task_start(&traced, "test", 7, NULL), 0);
    assert_int_equal(task_start(&other, "test", 8, NULL), 0);
    traced.get_trace = get_trace;
    assert_null(task_current_trace());
    struct task *none = task_enter(&traced);
    assert_int_equal(task_current_trace()->span_id[0], 1);
    struct task *previous = task_enter(&other);
    assert_null(task_current_trace());
    task_leave(previous);
    assert_non_null(task_current_trace());
    task_end(&traced);
    task_leave(none);
    assert_null(task_current_trace());
    task_end(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_registry_has_those_that_have_not_ended, setup),
        cmocka_unit_test_setup(test_memory_goes_when_the_last_holder_has_gone, setup),
        cmocka_unit_test_setup(test_a_reference_is_stale_once_its_task_has_ended, setup),
        cmocka_unit_test_setup(test_a_copy_shows_what_the_task_does, setup),
        cmocka_unit_test_setup(test_a_task_runs_while_a_callback_of_it_does, setup),
        cmocka_unit_test_setup(test_a_task_is_its_threads, setup),
        cmocka_unit_test_setup(test_a_copy_is_whole, setup),
        cmocka_unit_test_setup(test_tasks_nest_as_deep_as_may_be, setup),
        cmocka_unit_test_setup(test_the_current_task_nests, setup),
        cmocka_unit_test_setup(test_the_trace_is_the_current_task_s, setup),
        cmocka_unit_test_setup(test_a_parked_task_says_where, setup),
        cmocka_unit_test(test_a_parked_task_keeps_its_callers_when_asked),
        cmocka_unit_test(test_every_wait_is_told_once),
        cmocka_unit_test(test_running_is_told_while_somebody_asks),
        cmocka_unit_test_setup(test_cancel_runs_once, setup),
        cmocka_unit_test_setup(test_cancelling_one_may_end_another, setup),
        cmocka_unit_test_setup(test_what_a_cancel_starts_is_not_cancelled, setup),
    };
    return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
