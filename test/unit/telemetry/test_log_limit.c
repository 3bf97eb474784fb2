/* SPDX-License-Identifier: MIT
 *
 * test_log_limit.c - what repeats is written once and counted, and no count is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/telemetry/log_limit.h"

#define LONG_TIME_MS 60000
#define KINDS        200 /* more than the table has room for */
#define OUT_BYTES    (1u << 20)

static int ends[2];
static char out[OUT_BYTES];

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    (void)fcntl(ends[1], F_SETPIPE_SZ, (int)OUT_BYTES);
    const struct log_options options = {
        .fd = ends[1], .level = LOG_INFO, .format = LOG_TEXT, .queue_bytes = OUT_BYTES};
    assert_int_equal(log_start(&options), 0);
    return 0;
}

/* read_all stops the log, which writes what is left, and reads it. */
static void read_all(void)
{
    size_t len = 0;
    log_stop(LONG_TIME_MS);
    (void)close(ends[1]);
    for (ssize_t n = 1; n > 0; len += (size_t)n) {
        n = read(ends[0], out + len, sizeof(out) - len - 1);
        assert_true(n >= 0);
    }
    out[len] = '\0';
    (void)close(ends[0]);
}

static size_t count_of(const char *text)
{
    size_t count = 0;
    for (const char *at = strstr(out, text); at != NULL; at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

static uint64_t repeated_total(void)
{
    uint64_t total = 0;
    for (const char *at = strstr(out, "repeated="); at != NULL; at = strstr(at + 1, "repeated=")) {
        total += strtoull(at + 9, NULL, 10);
    }
    return total;
}

static void test_the_first_is_written_and_the_others_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        LOG_LIMITED(LOG_WARN, "sql", "statement failed", log_u64("errno", 1364),
                    log_cstr("error", "Field '?' doesn't have a default value"));
    }
    LOG_LIMITED(LOG_WARN, "sql", "statement failed", log_u64("errno", 1205));
    read_all();
    assert_int_equal(count_of("errno=1364"), 2);
    assert_int_equal(count_of("errno=1205"), 1);
    assert_non_null(strstr(out, "error=\"Field '?' doesn't have a default value\" repeated=999\n"));
    assert_int_equal(repeated_total(), 999);
}

static void test_kinds_differ_by_each_part(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        LOG_LIMITED(LOG_WARN, "a", "one", log_cstr("k", "v"));
        LOG_LIMITED(LOG_ERROR, "a", "one", log_cstr("k", "v"));
        LOG_LIMITED(LOG_WARN, "b", "one", log_cstr("k", "v"));
        LOG_LIMITED(LOG_WARN, "a", "two", log_cstr("k", "v"));
        LOG_LIMITED(LOG_WARN, "a", "one", log_cstr("l", "v"));
        LOG_LIMITED(LOG_WARN, "a", "one", log_cstr("k", "w"));
        LOG_LIMITED(LOG_DEBUG, "a", "one", log_cstr("k", "v"));
    }
    read_all();
    assert_int_equal(count_of("\n"), 12);
    assert_int_equal(count_of("repeated=1\n"), 6);
}

static void test_a_period_ends(void **state)
{
    (void)state;
    LOG_LIMITED(LOG_WARN, "a", "one", log_u64("n", 1));
    assert_true(log_limit_is_pending());
    LOG_LIMITED(LOG_WARN, "a", "one", log_u64("n", 1));
    log_limit_flush(clock_now_ns()); /* not yet */
    LOG_LIMITED(LOG_WARN, "a", "one", log_u64("n", 1));
    log_limit_flush(clock_now_ns() + LOG_LIMIT_NS);
    assert_false(log_limit_is_pending());
    LOG_LIMITED(LOG_WARN, "a", "one", log_u64("n", 1)); /* the first one of the next */
    read_all();
    assert_int_equal(count_of("one n=1"), 3);
    assert_int_equal(count_of("repeated=2\n"), 1);
}

static void test_a_full_table_loses_no_count(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < KINDS; i++) {
        for (int n = 0; n < 3; n++) {
            LOG_LIMITED(LOG_WARN, "a", "one", log_u64("kind", i));
        }
    }
    read_all();
    assert_int_equal(count_of("one kind="), 2 * KINDS);
    assert_int_equal(repeated_total(), 2 * KINDS);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        LOG_LIMITED(LOG_WARN, "a", "one", log_cstr("k", arg));
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, "same"), 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    read_all();
    /* a line that was not written is in a count, however long this took */
    assert_int_equal(count_of("k=same\n") + repeated_total(), 40000);
}

static void test_long_fields_are_cut_and_none_is_lost(void **state)
{
    (void)state;
    static char text[3000];
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < 5; i++) {
        LOG_LIMITED(LOG_WARN, "a", "one", log_cstr("a", text), log_cstr("b", text),
                    log_cstr("c", ""), log_u64("d", 4));
    }
    read_all();
    assert_int_equal(count_of("\n"), 2);
    assert_int_equal(repeated_total(), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_first_is_written_and_the_others_are_counted, set_up),
        cmocka_unit_test_setup(test_kinds_differ_by_each_part, set_up),
        cmocka_unit_test_setup(test_a_period_ends, set_up),
        cmocka_unit_test_setup(test_a_full_table_loses_no_count, set_up),
        cmocka_unit_test_setup(test_threads, set_up),
        cmocka_unit_test_setup(test_long_fields_are_cut_and_none_is_lost, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
