/* SPDX-License-Identifier: MIT
 *
 * test_phases.c - phases are entered once and in order, and left when nothing is left to wait for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/app/phases.h"

enum { IDLE, FIRST, SECOND, THIRD, LAST };

struct fixture {
    struct phases phases;
    bool is_over[LAST + 1];
    int entered[8];
    size_t entered_count;
};

static void note_enter(struct phases *phases, int phase)
{
    struct fixture *f = CONTAINER_OF(phases, struct fixture, phases);
    f->entered[f->entered_count++] = phase;
}

static bool look(const struct phases *phases, int phase)
{
    return CONTAINER_OF(phases, struct fixture, phases)->is_over[phase];
}

static void report(const struct phases *phases, enum log_level level, const char *message)
{
    (void)phases;
    (void)level;
    (void)message;
}

static const char *const names[] = {"idle", "first", "second", "third", "last"};
static const struct phases_rules rules = {names, note_enter, look, report};

static int set_up(void **state)
{
    struct loop *loop;
    assert_int_equal(loop_create(&loop), 0);
    struct fixture *f = test_calloc(1, sizeof(*f));
    phases_init(&f->phases, &rules, loop);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    phases_stop(&f->phases);
    loop_destroy(f->phases.loop);
    test_free(f);
    return 0;
}

static void test_a_phase_waits_until_it_is_over(void **state)
{
    struct fixture *f = *state;
    phases_begin(&f->phases);
    phases_advance(&f->phases);
    assert_int_equal(f->phases.phase, FIRST);
    f->is_over[FIRST] = true;
    phases_advance(&f->phases);
    phases_advance(&f->phases);
    assert_int_equal(f->phases.phase, SECOND);
    assert_int_equal(f->entered_count, 2);
}

static void test_phases_that_are_over_are_entered_all_the_same(void **state)
{
    struct fixture *f = *state;
    f->is_over[FIRST] = f->is_over[SECOND] = f->is_over[THIRD] = true;
    phases_begin(&f->phases);
    phases_advance(&f->phases);
    assert_int_equal(f->entered_count, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(f->entered[i], FIRST + i);
    }
}

static void test_a_report_begins_with_the_phase(void **state)
{
    struct fixture *f = *state;
    phases_begin(&f->phases);
    phases_enter(&f->phases, SECOND);
    struct log_field fields[2];
    phases_fill(&f->phases, fields);
    assert_string_equal(fields[0].key, "phase");
    assert_int_equal(fields[0].str.len, strlen("second"));
    assert_memory_equal(fields[0].str.ptr, "second", fields[0].str.len);
    assert_string_equal(fields[1].key, "elapsed_ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_phase_waits_until_it_is_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_phases_that_are_over_are_entered_all_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_report_begins_with_the_phase, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
