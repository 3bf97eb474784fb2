/* SPDX-License-Identifier: MIT
 *
 * test_trail.c - the changes of state that a task keeps: what they are, when, how many, and what
 * other threads see of them; and when a wait was over.
 *
 * Tests: core/task/arrival.c, core/task/task_show.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>

#include "core/base/clock.h"
#include "core/loop/loop.h"
#include "core/task/arrival.h"
#include "core/task/task.h"

#define RUNS_MAX 20
#define HELD_NS  (30 * NS_PER_MS)

static struct task_trail trail;

static void look(const struct task *task)
{
    assert_true(task_slots_copy_trail(task->slot, &trail));
}

static void assert_change(size_t i, const char *state)
{
    assert_true(i < trail.change_count);
    assert_string_equal(trail.changes[i].state, state);
    assert_true(i == 0 || trail.changes[i].when_ns >= trail.changes[i - 1].when_ns);
}

static void spin(uint64_t ns)
{
    const uint64_t start_ns = clock_now_ns();
    while (clock_now_ns() - start_ns < ns) {
    }
}

static void test_a_task_that_never_waits_has_no_changes(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", clock_now_ns(), NULL), 0);
    struct task *none = task_begin(&task, "test", LABEL_NONE, NULL);
    task_end(&task);
    task_leave(none);
    assert_int_equal(task_start(&task, "test", clock_now_ns(), NULL), 0);
    look(&task);
    assert_int_equal(trail.change_count, 0);
    assert_int_equal(trail.lost_count, 0);
    task_end(&task);
}

static void test_waits_stand_in_the_trail(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    struct task *none = task_enter(&task);
    const uint64_t before_ns = clock_now_ns();
    task_park(&task, "mysql pool");
    task_park_for(&task, "mysql", "listings.get", clock_now_ns());
    task_leave(none);
    spin(NS_PER_MS);
    none = task_enter(&task);
    task_unpark(&task);
    task_unpark(&task); /* it runs already */
    task_note(&task, task_note_miss, 3);
    const uint64_t after_ns = clock_now_ns();
    look(&task);
    assert_int_equal(trail.facts.start_ns, 7);
    assert_int_equal(trail.change_count, 4);
    assert_change(0, "mysql pool");
    assert_null(trail.changes[0].what);
    assert_change(1, "mysql");
    assert_string_equal(trail.changes[1].what, "listings.get");
    assert_change(2, "running");
    assert_ptr_equal(trail.changes[3].state, task_note_miss);
    assert_int_equal(trail.changes[3].number, 3);
    assert_true(trail.changes[0].when_ns >= before_ns);
    assert_true(trail.changes[2].when_ns - trail.changes[1].when_ns >= NS_PER_MS);
    assert_true(trail.changes[3].when_ns <= after_ns);
    task_end(&task);
    task_leave(none);
}

static void test_between_callbacks_it_waits(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    struct task *none = task_enter(&task);
    task_leave(none);
    none = task_enter(&task);
    look(&task);
    assert_int_equal(trail.change_count, 2);
    assert_change(0, "waiting");
    assert_change(1, "running");
    task_end(&task);
    task_leave(none);
}

static void test_there_is_room_for_sixteen_and_the_others_are_counted(void **state)
{
    (void)state;
    struct task task;
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    for (size_t i = 0; i < 10; i++) {
        task_park(&task, i == 0 ? "first" : "later");
        task_unpark(&task);
    }
    look(&task);
    assert_int_equal(trail.change_count, TASK_CHANGES_MAX);
    assert_int_equal(trail.lost_count, 4);
    assert_change(0, "first");
    assert_change(15, "running");
    task_end(&task);
    assert_int_equal(task_start(&task, "test", 7, NULL), 0); /* in the same slot */
    look(&task);
    assert_int_equal(trail.change_count + trail.lost_count, 0);
    task_end(&task);
}

static void test_the_trace_can_be_seen(void **state)
{
    (void)state;
    const struct trace_context trace = {
        .trace_id = {1, [15] = 2}, .span_id = {3}, .parent_id = {4}, .flags = TRACE_SAMPLED};
    struct task task;
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    look(&task);
    assert_int_equal(trail.span.span_id, 0);
    task_show_trace(&task, &trace);
    look(&task);
    assert_memory_equal(trail.span.trace_id, trace.trace_id, sizeof(trace.trace_id));
    assert_memory_equal(&trail.span.span_id, trace.span_id, sizeof(trace.span_id));
    assert_memory_equal(&trail.span.parent_id, trace.parent_id, sizeof(trace.parent_id));
    assert_int_equal(trail.span.flags, TRACE_SAMPLED);
    struct trace_ids ids;
    task_current_ids(&ids); /* it does not run */
    assert_int_equal(ids.span_id, 0);
    struct task *previous = task_enter(&task);
    task_current_ids(&ids);
    assert_memory_equal(ids.trace_id, trace.trace_id, sizeof(trace.trace_id));
    assert_memory_equal(&ids.span_id, trace.span_id, sizeof(trace.span_id));
    (void)task_swap_label(task.label + 1); /* it works for another one */
    task_current_ids(&ids);
    assert_int_equal(ids.span_id, 0);
    (void)task_swap_label(task.label);
    task_leave(previous);
    task_slots_copy_ids(task.slot, task.id + 1, &ids);
    assert_int_equal(ids.span_id, 0);
    task_end(&task);
    task_get_ids(&task, &ids);
    assert_int_equal(ids.span_id, 0);
    task_current_ids(&ids); /* nothing runs, and the slot is free */
    assert_int_equal(ids.span_id, 0);
    task_show_trace(&task, &trace); /* it has ended: nothing happens */
    assert_int_equal(task_start(&task, "test", 7, NULL), 0);
    look(&task);
    assert_int_equal(trail.span.span_id, 0);
    assert_int_equal(trail.span.trace_id[0], 0);
    task_end(&task);
}

/* A thread that copies while the loop writes: all changes of a copy are of the same task. */
static void *copy_for_long(void *arg)
{
    const _Atomic bool *is_over = arg;
    struct task_trail copy;
    uintptr_t seen = 0;
    while (!*is_over) {
        if (!task_slots_copy_trail(0, &copy)) {
            continue;
        }
        for (uint32_t i = 0; i < copy.change_count; i++) {
            if (copy.changes[i].number != copy.facts.start_ns) {
                return NULL;
            }
            seen++;
        }
    }
    return (void *)(seen + 1);
}

static void test_a_copied_trail_is_one_task_s(void **state)
{
    (void)state;
    struct task task;
    pthread_t thread;
    _Atomic bool is_over = false;
    void *seen = NULL;
    assert_int_equal(pthread_create(&thread, NULL, copy_for_long, &is_over), 0);
    for (uint64_t i = 1; i < 50000; i++) {
        assert_int_equal(task_start(&task, "test", i, NULL), 0);
        for (size_t n = 0; n < i % 5; n++) {
            task_note(&task, task_note_batch, i);
        }
        task_end(&task);
    }
    is_over = true;
    assert_int_equal(pthread_join(thread, &seen), 0);
    assert_non_null(seen);
}

/* --- when a wait was over --- */

static struct {
    struct loop *loop;
    struct task task;
    struct loop_post post;
    uint64_t posted_ns;
    uint64_t resumed_ns;
    uint64_t held_from_ns;
    _Atomic bool is_held;
    _Atomic bool is_posted;
} f;

static void resume(struct loop_post *post)
{
    (void)post;
    f.resumed_ns = clock_now_ns();
    struct task *previous = task_enter(&f.task);
    task_unpark(&f.task);
    look(&f.task);
    task_leave(previous);
    task_end(&f.task);
    loop_unref(f.loop);
    loop_stop(f.loop);
}

static void *post_when_parked(void *arg)
{
    while (!f.is_held) {
    }
    spin(5 * NS_PER_MS);
    f.posted_ns = clock_now_ns();
    loop_post(f.loop, &f.post);
    f.is_posted = true;
    return arg;
}

static void park(struct loop_deferred *deferred)
{
    (void)deferred;
    f.held_from_ns = clock_now_ns();
    task_park(&f.task, "redis");
}

static void hold(struct loop_deferred *deferred)
{
    (void)deferred;
    f.is_held = true;
    while (!f.is_posted) {
    }
    spin(HELD_NS);
}

/* run waits in a task for another thread's post; `busy`, unless it is NULL, holds the loop
 * meanwhile. */
static void run(struct loop_deferred *busy)
{
    pthread_t thread;
    struct loop_deferred first = {.run = park};
    list_init(&first.link);
    f.post.run = resume;
    f.is_held = busy == NULL;
    f.is_posted = false;
    assert_int_equal(loop_create(&f.loop), 0);
    assert_int_equal(task_start(&f.task, "test", clock_now_ns(), NULL), 0);
    loop_ref(f.loop);
    loop_defer(f.loop, &first);
    if (busy != NULL) {
        loop_defer(f.loop, busy);
    }
    assert_int_equal(pthread_create(&thread, NULL, post_when_parked, NULL), 0);
    loop_run(f.loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    loop_destroy(f.loop);
}

static void test_a_wait_ends_when_the_loop_is_woken(void **state)
{
    (void)state;
    assert_int_equal(arrival_ns(), UINT64_MAX);
    assert_int_equal(arrival_poll_began_ns(), 0);
    size_t last;
    unsigned runs = 0;
    do { /* a thread that loses its processor before it polls seems to be woken so much earlier */
        run(NULL);
        last = trail.change_count - 1;
        assert_change(0, "redis");
        assert_change(last, "running");
    } while (trail.changes[1].when_ns < f.posted_ns && ++runs < RUNS_MAX);
    /* what has begun at the wake-up, or with it when that was only just now */
    assert_true(trail.changes[1].when_ns >= f.posted_ns);
    assert_true(trail.changes[1].when_ns <= trail.changes[last].when_ns);
}

static void test_the_rest_of_a_wait_is_the_loop_s(void **state)
{
    (void)state;
    struct loop_deferred busy = {.run = hold};
    list_init(&busy.link);
    run(&busy);
    assert_true(f.resumed_ns - f.posted_ns >= HELD_NS);
    assert_int_equal(trail.change_count, 3);
    assert_change(0, "redis");
    assert_change(1, "[loop]");
    assert_change(2, "running");
    assert_true(trail.changes[1].when_ns <= f.posted_ns); /* an upper bound */
    assert_true(trail.changes[1].when_ns >= f.held_from_ns);
    assert_true(trail.changes[2].when_ns - trail.changes[1].when_ns >= HELD_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_that_never_waits_has_no_changes),
        cmocka_unit_test(test_waits_stand_in_the_trail),
        cmocka_unit_test(test_between_callbacks_it_waits),
        cmocka_unit_test(test_there_is_room_for_sixteen_and_the_others_are_counted),
        cmocka_unit_test(test_the_trace_can_be_seen),
        cmocka_unit_test(test_a_copied_trail_is_one_task_s),
        cmocka_unit_test(test_a_wait_ends_when_the_loop_is_woken),
        cmocka_unit_test(test_the_rest_of_a_wait_is_the_loop_s),
    };
    return cmocka_run_group_tests_name("trail", tests, NULL, NULL);
}
