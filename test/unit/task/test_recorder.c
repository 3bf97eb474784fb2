/* SPDX-License-Identifier: MIT
 *
 * test_recorder.c - what is kept of a ring, while it is written, and when events were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <uv.h>

#include "core/base/clock.h"
#include "core/base/literal.h"
#include "core/task/recorder.h"

#define EVENTS 16u

static struct recorder_event events[2 * EVENTS];

static uint64_t id_of(const struct recorder_event *event)
{
    return event->value & ((UINT64_C(1) << RECORDER_ID_BITS) - 1);
}

static void test_off_nothing_is_recorded(void **state)
{
    (void)state;
    assert_null(task_self.recorder);
    recorder_add(RECORDER_START, 1, 0);
    assert_null(recorder_ring_at(0));
}

static void test_the_latest_are_kept(void **state)
{
    (void)state;
    static const char literal[] = "mysql";
    assert_int_equal(recorder_start("test", EVENTS), 0);
    const struct recorder_ring *ring = recorder_ring_at(0);
    assert_string_equal(ring->name, "test");
    assert_int_equal(recorder_copy(ring, events, EVENTS), 0);
    const uint64_t before_ns = clock_now_ns();
    recorder_add(RECORDER_PARK, (UINT64_C(1) << RECORDER_ID_BITS) + 7, recorder_literal(literal));
    assert_int_equal(recorder_copy(ring, events, EVENTS), 1);
    assert_int_equal(events[0].ticks & 0xff, RECORDER_PARK);
    assert_int_equal(id_of(&events[0]), 7); /* the upper bits are left out */
    assert_ptr_equal(recorder_text(events[0].value >> RECORDER_ID_BITS), literal);
    const char *kept = literal_keep(STR("made at run time"));
    assert_ptr_equal(recorder_text(recorder_literal(kept)), kept);
    char elsewhere[] = "on the stack";
    assert_string_equal(recorder_text(recorder_literal(elsewhere)), "?");
    const struct recorder_clock clock = recorder_read_clock();
    const uint64_t at_ns = recorder_ns(&clock, &events[0]);
    assert_true(at_ns + NS_PER_MS >= before_ns && at_ns <= clock_now_ns() + NS_PER_MS);
    for (uint64_t i = 1; i <= 3 * EVENTS; i++) {
        recorder_add(RECORDER_START, 100 + i, 0);
    }
    /* the oldest one's place may be written just then */
    const size_t count = recorder_copy(ring, events, 2 * EVENTS);
    assert_int_equal(count, EVENTS - 1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(id_of(&events[i]), 100 + 3 * EVENTS - count + 1 + i);
    }
    assert_int_equal(recorder_copy(ring, events, 3), 3);
    assert_int_equal(id_of(&events[2]), 100 + 3 * EVENTS);
    recorder_stop();
    recorder_add(RECORDER_START, 1, 0);
    assert_int_equal(recorder_copy(ring, events, 1), 1);
    assert_int_equal(id_of(&events[0]), 100 + 3 * EVENTS);
}

static void *write_events(void *arg)
{
    _Atomic bool *is_done = arg;
    assert_int_equal(recorder_start("writer", EVENTS), 0);
    for (uint64_t i = 1; i <= 200000; i++) {
        recorder_add_at(i, RECORDER_START, i, i & 0xffff);
    }
    atomic_store(is_done, true);
    return NULL;
}

/* Each event that is copied while others are written is whole, and they follow each other. */
static void test_a_copy_while_it_is_written(void **state)
{
    (void)state;
    _Atomic bool is_done = false;
    pthread_t thread;
    size_t seen = 0;
    assert_int_equal(pthread_create(&thread, NULL, write_events, &is_done), 0);
    while (!atomic_load(&is_done)) {
        const struct recorder_ring *ring = recorder_ring_at(1);
        const size_t count = ring == NULL ? 0 : recorder_copy(ring, events, EVENTS);
        for (size_t i = 0; i < count; i++) {
            const uint64_t id = id_of(&events[i]);
            assert_int_equal(events[i].ticks >> 8, id);
            assert_int_equal(events[i].value >> RECORDER_ID_BITS, id & 0xffff);
            assert_int_equal(id, id_of(&events[0]) + i);
        }
        seen += count;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(recorder_copy(recorder_ring_at(1), events, EVENTS), EVENTS - 1);
    (void)seen;
}

static void test_triggers_are_taken_once(void **state)
{
    (void)state;
    assert_false(recorder_take_trigger(RECORDER_SLOW));
    recorder_trigger(RECORDER_SLOW);
    recorder_trigger(RECORDER_SLOW);
    assert_false(recorder_take_trigger(RECORDER_HELD));
    assert_true(recorder_take_trigger(RECORDER_SLOW));
    assert_false(recorder_take_trigger(RECORDER_SLOW));
    for (int i = 0; i < RECORDER_REASONS; i++) {
        assert_non_null(recorder_reason_name((enum recorder_reason)i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off_nothing_is_recorded),
        cmocka_unit_test(test_the_latest_are_kept),
        cmocka_unit_test(test_a_copy_while_it_is_written),
        cmocka_unit_test(test_triggers_are_taken_once),
    };
    return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
