/* SPDX-License-Identifier: MIT
 *
 * test_crash_events.c - events of the recorder as lines of a crash report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/crash/crash_events.h"
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/task/label.h"
#include "core/task/recorder.h"

static struct crash_out out;

/* next_line takes a line, and leaves out when it was: "  0.123 ms ago ". */
static const char *next_line(char **rest)
{
    char *line = strsep(rest, "\n");
    assert_non_null(line);
    if (strncmp(line, "  ", 2) != 0) {
        return line;
    }
    char *end;
    assert_true(strtod(line + 2, &end) >= 0);
    assert_memory_equal(end, " ms ago ", 8);
    return end + 8;
}

static char *put(void)
{
    out = (struct crash_out){.fd = -1, .file = -1};
    crash_events_put(&out);
    assert_true(out.len < sizeof(out.data));
    out.data[out.len] = '\0';
    return out.data;
}

static void test_nothing_is_recorded(void **state)
{
    (void)state;
    assert_string_equal(put(), "");
}

static void test_each_kind(void **state)
{
    (void)state;
    const uint32_t label = label_intern(STR("/a/:b"), "GET");
    assert_int_equal(recorder_start("test", 64), 0);
    recorder_add(RECORDER_START, 7, 0);
    recorder_add(RECORDER_ENTER, 7, label);
    recorder_add(RECORDER_PARK, 7, recorder_literal("mysql"));
    recorder_add(RECORDER_WHAT, 7, recorder_literal("a.get"));
    recorder_add(RECORDER_LEAVE, 0, 0);
    recorder_add(RECORDER_WRITE, 7, 1234);
    recorder_add(RECORDER_END, 7, label_intern_rpc(STR("p.S/M")));
    recorder_add(RECORDER_LATE, 7, label);
    recorder_add(RECORDER_POLL, 0, 0);
    char *rest = put();
    assert_string_equal(next_line(&rest), "last events of the loop \"test\":");
    assert_string_equal(next_line(&rest), "start id=7");
    assert_string_equal(next_line(&rest), "enter id=7 /a/:b");
    assert_string_equal(next_line(&rest), "park id=7 mysql");
    assert_string_equal(next_line(&rest), "for id=7 a.get");
    assert_string_equal(next_line(&rest), "leave");
    assert_string_equal(next_line(&rest), "write id=7 bytes=1234");
    assert_string_equal(next_line(&rest), "end id=7 p.S/M");
    assert_string_equal(next_line(&rest), "late id=7 /a/:b");
    assert_string_equal(next_line(&rest), "poll");
    assert_string_equal(rest, "");
}

/* The last ones, the oldest first. */
static void test_more_than_are_printed(void **state)
{
    (void)state;
    char wanted[32];
    for (uint64_t i = 1; i <= CRASH_EVENTS_MAX + 5; i++) {
        recorder_add(RECORDER_START, i, 0);
    }
    char *rest = put();
    (void)next_line(&rest);
    for (uint64_t i = 6; i <= CRASH_EVENTS_MAX + 5; i++) {
        (void)snprintf(wanted, sizeof(wanted), "start id=%llu", (unsigned long long)i);
        assert_string_equal(next_line(&rest), wanted);
    }
    assert_string_equal(rest, "");
    recorder_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_recorded),
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_more_than_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
