/* SPDX-License-Identifier: MIT
 *
 * test_log_output.c - descriptors that are full, broken, or stop in the middle of a line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/telemetry/log_output.h"

#define CLOCK_LEN (sizeof("2026-11-22T23:59:59.123456Z") - 1)

static int open_memory(void)
{
    const int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int open_full(void)
{
    const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static struct str read_back(int fd, char *out, size_t size)
{
    const ssize_t n = pread(fd, out, size, 0);
    assert_true(n >= 0);
    return (struct str){out, (size_t)n};
}

/* next_line cuts a line off and, when it is a warning of the log's own, its time with it. */
static struct str next_line(struct str *rest)
{
    struct str line;
    assert_true(str_next_field(rest, '\n', &line));
    if (line.len > CLOCK_LEN && line.ptr[CLOCK_LEN - 1] == 'Z') {
        line.ptr += CLOCK_LEN;
        line.len -= CLOCK_LEN;
    }
    return line;
}

static void assert_next_line(struct str *rest, const char *expected)
{
    const struct str line = next_line(rest);
    assert_int_equal(line.len, strlen(expected));
    assert_memory_equal(line.ptr, expected, line.len);
}

static void test_lines_pass_through(void **state)
{
    (void)state;
    struct log_output output = {.fd = open_memory(), .format = LOG_TEXT};
    char out[1024];
    assert_int_equal(log_output_write(&output, STR("one\ntwo\n")), 2);
    assert_int_equal(log_output_write(&output, STR("three\n")), 1);
    struct str text = read_back(output.fd, out, sizeof(out));
    assert_next_line(&text, "one");
    assert_next_line(&text, "two");
    assert_next_line(&text, "three");
    assert_int_equal(text.len, 0);
    (void)close(output.fd);
}

static void test_a_full_disk_is_told_about_later(void **state)
{
    (void)state;
    const int full = open_full();
    const int good = open_memory();
    struct log_output output = {.fd = full, .format = LOG_TEXT};
    char out[1024];
    assert_int_equal(log_output_write(&output, STR("one\ntwo\n")), 0);
    assert_int_equal(log_output_write(&output, STR("three\n")), 0);
    assert_int_equal(output.missing_lines, 3);
    output.fd = good;
    assert_int_equal(log_output_write(&output, STR("four\n")), 1);
    assert_int_equal(log_output_write(&output, STR("five\n")), 1);
    struct str text = read_back(good, out, sizeof(out));
    assert_next_line(&text, " WARN  log: log lines dropped count=3");
    assert_next_line(&text, "four");
    assert_next_line(&text, "five");
    assert_int_equal(text.len, 0);
    (void)close(full);
    (void)close(good);
}

static void test_the_warning_is_json_too(void **state)
{
    (void)state;
    struct log_output output = {.fd = open_memory(), .format = LOG_JSON, .missing_lines = 7};
    static const char tail[] = "\"level\":\"warn\",\"component\":\"log\","
                               "\"message\":\"log lines dropped\",\"count\":7}\n";
    char out[1024];
    assert_int_equal(log_output_write(&output, STR("")), 0);
    const struct str text = read_back(output.fd, out, sizeof(out));
    assert_true(text.len > sizeof(tail));
    assert_memory_equal(text.ptr + text.len - (sizeof(tail) - 1), tail, sizeof(tail) - 1);
    assert_int_equal(output.missing_lines, 0);
    (void)close(output.fd);
}

/* write_limited writes while files may have `limit` bytes at most: a disk that fills up. */
static size_t write_limited(struct log_output *output, struct str lines, rlim_t limit)
{
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    const struct rlimit tight = {.rlim_cur = limit, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const size_t written = log_output_write(output, lines);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    return written;
}

static void test_half_a_line_is_ended_before_the_next(void **state)
{
    (void)state;
    struct log_output output = {.fd = open_memory(), .format = LOG_TEXT};
    char out[1024];
    assert_int_equal(write_limited(&output, STR("one\ntwo\nthree\n"), 10), 2);
    assert_int_equal(output.missing_lines, 1);
    assert_int_equal(log_output_write(&output, STR("four\n")), 1);
    struct str text = read_back(output.fd, out, sizeof(out));
    assert_next_line(&text, "one");
    assert_next_line(&text, "two");
    assert_next_line(&text, "th");
    assert_next_line(&text, " WARN  log: log lines dropped count=1");
    assert_next_line(&text, "four");
    assert_int_equal(text.len, 0);
    (void)close(output.fd);
}

static void test_a_cut_warning_is_said_again(void **state)
{
    (void)state;
    struct log_output output = {.fd = open_memory(), .format = LOG_TEXT, .missing_lines = 2};
    char out[1024];
    assert_int_equal(write_limited(&output, STR("one\n"), 5), 0);
    assert_int_equal(output.missing_lines, 3);
    assert_int_equal(log_output_write(&output, STR("two\n")), 1);
    struct str text = read_back(output.fd, out, sizeof(out));
    assert_int_equal(next_line(&text).len, 5);
    assert_next_line(&text, " WARN  log: log lines dropped count=3");
    assert_next_line(&text, "two");
    (void)close(output.fd);
}

static void test_a_lost_reader_is_an_error_not_a_death(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)close(ends[0]);
    struct log_output output = {.fd = ends[1], .format = LOG_TEXT};
    assert_int_equal(log_output_write(&output, STR("one\n")), 0);
    assert_int_equal(output.missing_lines, 1);
    (void)close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_pass_through),
        cmocka_unit_test(test_a_full_disk_is_told_about_later),
        cmocka_unit_test(test_the_warning_is_json_too),
        cmocka_unit_test(test_half_a_line_is_ended_before_the_next),
        cmocka_unit_test(test_a_cut_warning_is_said_again),
        cmocka_unit_test(test_a_lost_reader_is_an_error_not_a_death),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at RLIMIT_FSIZE: the write is to fail instead */
    return cmocka_run_group_tests_name("log_output", tests, NULL, NULL);
}
