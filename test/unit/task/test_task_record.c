/* SPDX-License-Identifier: MIT
 *
 * test_task_record.c - the events of tasks that answer at once, later, and outside of their
 * callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/clock.h"
#include "core/task/recorder.h"
#include "core/task/task.h"

#define EVENTS 64u

static uint32_t label;

static void begin(struct task *task, bool is_waiting_before)
{
    *task = (struct task){.slot = TASK_NO_SLOT};
    assert_int_equal(task_start(task, "http", clock_now_ns(), NULL), 0);
    if (is_waiting_before) {
        task_record_start(&task->record, task->id);
    }
}

/* check looks at the latest events: their kinds, whose they are, and that time does not go back. */
static void check(const struct task *task, const enum recorder_kind *kinds, size_t count)
{
    static struct recorder_event events[EVENTS];
    const struct recorder_ring *ring = recorder_ring_at(0);
    assert_int_equal(recorder_copy(ring, events, count), count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(events[i].ticks & 0xff, kinds[i]);
        assert_int_equal(events[i].value & ((UINT64_C(1) << RECORDER_ID_BITS) - 1), task->id);
        assert_true(i == 0 || events[i].ticks >> 8 >= events[i - 1].ticks >> 8);
        if (kinds[i] == RECORDER_BEGIN || kinds[i] == RECORDER_FINISH || kinds[i] == RECORDER_END) {
            assert_int_equal(events[i].value >> RECORDER_ID_BITS, label);
        }
    }
}

static void test_an_answer_at_once_is_two_events(void **state)
{
    const enum recorder_kind kinds[] = {RECORDER_BEGIN, RECORDER_FINISH};
    (void)state;
    struct task task;
    begin(&task, false);
    struct task *previous = task_begin(&task, "http", label, NULL);
    task_end(&task);
    task_leave(previous);
    check(&task, kinds, ARRAY_COUNT(kinds));
}

static void test_a_task_that_waits_before_and_after(void **state)
{
    const enum recorder_kind kinds[] = {RECORDER_START, RECORDER_ENTER, RECORDER_PARK,
                                        RECORDER_LEAVE, RECORDER_ENTER, RECORDER_RESUME,
                                        RECORDER_FINISH};
    (void)state;
    struct task task;
    begin(&task, true);
    struct task *previous = task_begin(&task, "http", label, NULL);
    task_park(&task, "sleep");
    task_leave(previous);
    previous = task_enter(&task);
    task_unpark(&task);
    task_end(&task);
    task_leave(previous);
    check(&task, kinds, ARRAY_COUNT(kinds));
}

static void test_an_end_outside_of_callbacks(void **state)
{
    const enum recorder_kind never[] = {RECORDER_START, RECORDER_END};
    const enum recorder_kind held[] = {RECORDER_END, RECORDER_LATE, RECORDER_LEAVE};
    (void)state;
    struct task task;
    begin(&task, false); /* a head with a fault: no handler sees it */
    task.label = label;
    task_end(&task);
    check(&task, never, ARRAY_COUNT(never));
    task_hold(&task); /* what it has started calls back after its end */
    struct task *previous = task_enter(&task);
    task_leave(previous);
    check(&task, held, ARRAY_COUNT(held));
    task_release(&task);
}

static int set_up(void **state)
{
    (void)state;
    label = label_intern(STR("/a"), "GET");
    return recorder_start("test", EVENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_at_once_is_two_events),
        cmocka_unit_test(test_a_task_that_waits_before_and_after),
        cmocka_unit_test(test_an_end_outside_of_callbacks),
    };
    return cmocka_run_group_tests_name("task_record", tests, set_up, NULL);
}
