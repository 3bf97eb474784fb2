/* SPDX-License-Identifier: MIT
 *
 * test_trouble.c - which answers keep the recording: slow ones, and many errors within a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/http/router.h"
#include "core/observe/trouble.h"
#include "core/task/recorder.h"
#include <cmocka.h>

#define START_NS (100 * NS_PER_S)

static struct route route;

static int set_up(void **state)
{
    (void)state;
    route = (struct route){.path = "/x"};
    (void)recorder_take_trigger(RECORDER_SLOW);
    (void)recorder_take_trigger(RECORDER_ERRORS);
    return 0;
}

static struct trouble trouble;

static int tear_down(void **state)
{
    (void)state;
    trouble = (struct trouble){0};
    return 0;
}

/* end is an answer that took so long. */
static void end(int status, uint64_t at_ns, uint64_t duration_ns, bool is_long)
{
    struct http_request req = {.status = status, .is_long = is_long, .route = &route};
    struct http_end ended = {.now_ns = at_ns};
    req.task.start_ns = at_ns - duration_ns;
    trouble_on_end(&trouble, &req, &ended);
}

static bool is_slow(unsigned flags, uint64_t ms, bool is_long)
{
    route.flags = flags;
    end(200, START_NS, ms * NS_PER_MS, is_long);
    return recorder_take_trigger(RECORDER_SLOW);
}

static void test_slow_ones(void **state)
{
    (void)state;
    trouble_set_limits(&trouble, 100, 0);
    assert_false(is_slow(0, 99, false));
    assert_true(is_slow(0, 100, false));
    assert_false(is_slow(0, 100, true)); /* what is meant to last */
    assert_false(is_slow(ROUTE_LONG, 100, false));
    assert_false(is_slow(ROUTE_NO_DEADLINE, 100, false));
}

static void test_a_route_with_a_limit_of_its_own(void **state)
{
    (void)state;
    trouble_set_limits(&trouble, 100, 0);
    assert_false(is_slow(ROUTE_SLOW_MS(2000), 1999, false));
    assert_true(is_slow(ROUTE_SLOW_MS(2000), 2000, false));
    assert_true(is_slow(ROUTE_SLOW_MS(10), 10, false));
    trouble_set_limits(&trouble, 0, 0); /* off, whatever routes say */
    assert_false(is_slow(ROUTE_SLOW_MS(10), 100000, false));
}

static size_t errors_until_kept(uint64_t from_ns, uint64_t step_ns, size_t max)
{
    for (size_t i = 1; i <= max; i++) {
        end(503, from_ns + i * step_ns, 0, false);
        if (recorder_take_trigger(RECORDER_ERRORS)) {
            return i;
        }
    }
    return 0;
}

static void test_errors_within_a_second(void **state)
{
    (void)state;
    trouble_set_limits(&trouble, 0, 5);
    assert_int_equal(errors_until_kept(START_NS, NS_PER_MS, 20), 5);
    /* four a second never are too many */
    assert_int_equal(errors_until_kept(START_NS + 10 * NS_PER_S, NS_PER_S / 4, 100), 0);
}

/* Once a second: what comes behind it is part of the same. */
static void test_more_errors_are_told_once(void **state)
{
    (void)state;
    trouble_set_limits(&trouble, 0, 2);
    assert_int_equal(errors_until_kept(START_NS + 100 * NS_PER_S, 1, 10), 2);
    assert_int_equal(errors_until_kept(START_NS + 100 * NS_PER_S + 100, 1, 50), 0);
    assert_int_equal(errors_until_kept(START_NS + 101 * NS_PER_S, 1, 10), 2);
}

static void test_what_is_no_error(void **state)
{
    (void)state;
    trouble_set_limits(&trouble, 0, 1);
    for (int status = 200; status < 500; status += 50) {
        end(status, START_NS, 0, false);
    }
    assert_false(recorder_take_trigger(RECORDER_ERRORS));
    end(500, START_NS, 0, false);
    assert_true(recorder_take_trigger(RECORDER_ERRORS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slow_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_route_with_a_limit_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors_within_a_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_errors_are_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
