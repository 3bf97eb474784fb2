/* SPDX-License-Identifier: MIT
 *
 * test_crash_tasks.c - what was in flight, as lines of a crash report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/crash/crash_tasks.h"
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/task/label.h"
#include "core/task/task.h"

static struct crash_out out;
static struct task tasks[2];

static const char *text(void)
{
    assert_true(out.len < sizeof(out.data));
    out.data[out.len] = '\0';
    out.len = 0;
    return out.data;
}

static int set_up(void **state)
{
    (void)state;
    out = (struct crash_out){.fd = -1, .file = -1};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return 0;
}

static void test_nothing_is_in_flight(void **state)
{
    (void)state;
    crash_tasks_put_all(&out, clock_now_ns());
    assert_string_equal(text(), "in flight: 0\n");
    assert_null(crash_tasks_put_current(&out, clock_now_ns()));
    assert_string_equal(text(), "task: none\n");
}

/* assert_woken_by writes the one task that is in flight, and looks at what will wake it. */
static void assert_woken_by(const char *waker)
{
    char wanted[80];
    crash_tasks_put_all(&out, clock_now_ns());
    (void)snprintf(wanted, sizeof(wanted), " woken_by=\"%s\" handler=", waker);
    assert_non_null(strstr(text(), wanted));
}

static void test_what_will_wake_a_task(void **state)
{
    (void)state;
    const struct task_waker query = {.kind = "mysql", .id = 41};
    const struct task_waker timer = {.kind = "timer"};
    assert_int_equal(task_start(&tasks[0], "request", clock_now_ns(), NULL), 0);
    struct task *previous = task_enter(&tasks[0]);
    task_await(&tasks[0], query);
    assert_woken_by("-"); /* it runs */
    task_park(&tasks[0], "mysql");
    task_leave(previous);
    assert_woken_by("mysql 41");
    task_await(&tasks[0], timer);
    assert_woken_by("timer and 1 more");
    task_awaited(&tasks[0], timer);
    assert_woken_by("an earlier wait");
    task_awaited(&tasks[0], query);
    assert_woken_by("nothing: leaked");
    task_unpark(&tasks[0]);
    task_end(&tasks[0]);
}

static void test_tasks(void **state)
{
    (void)state;
    char wanted[160];
    const uint64_t now_ns = clock_now_ns();
    assert_int_equal(task_start(&tasks[0], "request", now_ns, NULL), 0);
    assert_int_equal(task_start(&tasks[1], "call", now_ns, NULL), 0);
    task_describe(&tasks[0], "request", label_intern(STR("/a/:b"), "GET"), NULL);
    task_describe(&tasks[1], "call", label_intern_rpc(STR("p.S/M")), NULL);
    struct task *previous = task_enter(&tasks[0]);
    task_park(&tasks[0], "mysql");
    crash_tasks_put_all(&out, now_ns + 2500 * NS_PER_US);
    const char *all = text();
    assert_memory_equal(all, "in flight: 2\n  id=", 18);
    (void)snprintf(wanted, sizeof(wanted),
                   "  id=%llu request GET /a/:b state=\"mysql\" age_ms=2.500 ",
                   (unsigned long long)tasks[0].id);
    assert_non_null(strstr(all, wanted));
    (void)snprintf(wanted, sizeof(wanted), "  id=%llu call p.S/M state=\"receive\" age_ms=2.500 ",
                   (unsigned long long)tasks[1].id);
    assert_non_null(strstr(all, wanted));
    assert_non_null(strstr(all, " trace_id=- span_id=-\n")); /* nobody has asked for it */

    assert_null(crash_tasks_put_current(&out, now_ns));
    (void)snprintf(wanted, sizeof(wanted), "task: id=%llu request GET /a/:b state=\"mysql\" ",
                   (unsigned long long)tasks[0].id);
    const char *current = text();
    assert_memory_equal(current, wanted, strlen(wanted));
    task_unpark(&tasks[0]);
    task_end(&tasks[0]);
    task_leave(previous);
    task_end(&tasks[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_in_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_will_wake_a_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tasks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
