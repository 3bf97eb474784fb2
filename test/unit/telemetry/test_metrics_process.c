/* SPDX-License-Identifier: MIT
 *
 * test_metrics_process.c - what a scrape says about this process agrees with what the kernel says.
 *
 * Tests: core/telemetry/fd_count.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/telemetry/fd_count.h"
#include "core/telemetry/metrics_process.h"
#include "test/unit/support/render_metrics.h"

#define TEXT_MAX_BYTES 65536

static struct buf text;

static int setup(void **state)
{
    struct metrics *m = metrics_create();
    *state = m;
    buf_init(&text, TEXT_MAX_BYTES);
    return m == NULL ? -1 : metrics_process_register(m, "1.2-\"3\"");
}

static int teardown(void **state)
{
    metrics_destroy(*state);
    buf_deinit(&text);
    return 0;
}

static void render(struct metrics *m)
{
    buf_clear(&text);
    render_metrics(m, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    assert_false(text.is_failed);
}

/* find_value reads the value on the line that starts with `name` and a space. */
static bool find_value(const char *name, double *ret_value)
{
    struct str rest = {text.data, text.len - 1};
    struct str line;
    const size_t len = strlen(name);
    while (str_next_field(&rest, '\n', &line)) {
        if (line.len > len && memcmp(line.ptr, name, len) == 0 && line.ptr[len] == ' ') {
            *ret_value = strtod(line.ptr + len, NULL);
            return true;
        }
    }
    return false;
}

static double value_of(const char *name)
{
    double value;
    if (!find_value(name, &value)) {
        fail_msg("%s is missing", name);
    }
    return value;
}

static void test_version(void **state)
{
    render(*state);
    assert_true(value_of("toq_build_info{version=\"1.2-\\\"3\\\"\"}") == 1);
}

static void test_cpu_time_lies_between_two_readings(void **state)
{
    const double before = (double)clock_cpu_ns() / 1e9;
    render(*state);
    const double after = (double)clock_cpu_ns() / 1e9;
    const double value = value_of("process_cpu_seconds_total");
    assert_true(before <= value && value <= after);
}

static void test_open_fds_follow_open_and_close(void **state)
{
    render(*state);
    const double before = value_of("process_open_fds");
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    render(*state);
    assert_true(value_of("process_open_fds") == before + 1);
    (void)close(fd);
    render(*state);
    assert_true(value_of("process_open_fds") == before);
}

static void test_both_ways_to_count_fds_agree(void **state)
{
    (void)state;
    uint64_t by_size;
    uint64_t by_scan;
    const int high = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 900); /* a gap in the table */
    assert_true(high >= 900);
    assert_true(fd_count_open(&by_size));
    assert_true(fd_count_by_scan(&by_scan));
    assert_int_equal(by_size, by_scan);
    (void)close(high);
}

static void test_limits_follow_the_process(void **state)
{
    struct rlimit old;
    double value;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    const struct rlimit lower = {.rlim_cur = 123, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    render(*state);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(value_of("process_max_fds") == 123);
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    assert_int_equal(find_value("process_virtual_memory_max_bytes", &value),
                     old.rlim_cur != RLIM_INFINITY);
}

static void test_memory_is_within_reason(void **state)
{
    render(*state);
    const double resident = value_of("process_resident_memory_bytes");
    assert_true(resident >= (double)sysconf(_SC_PAGESIZE));
    assert_true(value_of("process_virtual_memory_bytes") >= resident);
}

static void test_start_time_is_in_the_past_and_does_not_move(void **state)
{
    render(*state);
    const double first = value_of("process_start_time_seconds");
    assert_true(first <= (double)clock_wall_ns() / 1e9);
    assert_true(first >
                (double)clock_wall_ns() / 1e9 - 86400); /* a test runs for less than a day */
    render(*state);
    assert_true(value_of("process_start_time_seconds") == first);
}

static void test_a_process_name_with_parentheses_is_read_over(void **state)
{
    char name[16];
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_int_equal(prctl(PR_SET_NAME, "a) R 9 9 (9"), 0);
    render(*state);
    assert_int_equal(prctl(PR_SET_NAME, name), 0);
    assert_in_range(value_of("process_threads"), 1, 2); /* a sanitizer may have one of its own */
}

static void test_log_lines_start_at_nothing(void **state)
{
    render(*state);
    assert_true(value_of("toq_log_lines_total") == 0);
    assert_true(value_of("toq_log_lines_dropped_total") == 0);
}

#define PROCESS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS_TEST(test_version),
        PROCESS_TEST(test_cpu_time_lies_between_two_readings),
        PROCESS_TEST(test_open_fds_follow_open_and_close),
        PROCESS_TEST(test_both_ways_to_count_fds_agree),
        PROCESS_TEST(test_limits_follow_the_process),
        PROCESS_TEST(test_memory_is_within_reason),
        PROCESS_TEST(test_start_time_is_in_the_past_and_does_not_move),
        PROCESS_TEST(test_a_process_name_with_parentheses_is_read_over),
        PROCESS_TEST(test_log_lines_start_at_nothing),
    };
    return cmocka_run_group_tests_name("metrics_process", tests, NULL, NULL);
}
