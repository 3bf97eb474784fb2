/* SPDX-License-Identifier: MIT
 *
 * test_clock.c - the two date formats, elapsed time, and that the clocks only go forward.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/clock.h"

#include <string.h>

static void test_rfc3339(void **state)
{
    (void)state;
    char out[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000000Z");
    clock_format_rfc3339(UINT64_C(1709251199) * NS_PER_S + 123456789, out); /* a leap day's end */
    assert_string_equal(out, "2024-02-29T23:59:59.123456Z");
    clock_format_rfc3339(UINT64_MAX, out);
    assert_string_equal(out, "2554-07-21T23:34:33.709551Z");
}

static void test_http_date(void **state)
{
    (void)state;
    char out[CLOCK_HTTP_BYTES];
    clock_format_http(UINT64_C(784111777) * NS_PER_S, out); /* the example of RFC 9110 5.6.7 */
    assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_format_http(UINT64_C(784111777) * NS_PER_S + NS_PER_S - 1, out);
    assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    clock_format_http(UINT64_MAX, out);
    assert_int_equal(strlen(out), CLOCK_HTTP_BYTES - 1);
}

static void test_clocks_go_forward(void **state)
{
    (void)state;
    uint64_t now = clock_now_ns();
    uint64_t cpu = clock_cpu_ns();
    assert_true(now > 0);
    for (int i = 0; i < 1000; i++) {
        const uint64_t next = clock_now_ns();
        const uint64_t next_cpu = clock_cpu_ns();
        assert_true(next >= now && next_cpu >= cpu);
        now = next;
        cpu = next_cpu;
    }
    assert_true(clock_wall_ns() > UINT64_C(1577836800) * NS_PER_S); /* 2020 */
}

static void test_elapsed_time_is_right_from_the_first_second_of_uptime(void **state)
{
    (void)state;
    const uint64_t now_ns = NS_PER_S;
    assert_int_equal(clock_elapsed_ns(now_ns, now_ns), 0);
    assert_int_equal(clock_elapsed_ns(now_ns - 1, now_ns), 1);
    assert_int_equal(clock_elapsed_ns(now_ns + 1, now_ns), 0);
    assert_int_equal(clock_elapsed_ns(now_ns - 7200 * NS_PER_S, now_ns), 7200 * NS_PER_S);
    assert_int_equal(clock_elapsed_ns(0, INT64_MAX), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3339),
        cmocka_unit_test(test_http_date),
        cmocka_unit_test(test_clocks_go_forward),
        cmocka_unit_test(test_elapsed_time_is_right_from_the_first_second_of_uptime),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
