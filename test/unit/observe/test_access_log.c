/* SPDX-License-Identifier: MIT
 *
 * test_access_log.c - which requests get a line, and how many in a second.
 *
 * access_log.c is included: whether a line is wanted stands in a function of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/observe/access_log.c"
#include <cmocka.h>

static struct loop *loop;
static struct access_log *log_of_test;

static void open_log(uint64_t every, uint64_t max_per_s)
{
    log_of_test = access_log_create(
        loop, &(struct access_log_options){
                  .name = "test", .every = every, .max_per_s = max_per_s, .level = LOG_INFO});
    assert_non_null(log_of_test);
}

static int set_up(void **state)
{
    (void)state;
    log_set_level(LOG_INFO);
    return loop_create(&loop);
}

static int tear_down(void **state)
{
    (void)state;
    access_log_destroy(log_of_test);
    loop_destroy(loop);
    return 0;
}

static size_t lines_of(size_t requests)
{
    size_t lines = 0;
    for (size_t i = 0; i < requests; i++) {
        lines += wants_line(log_of_test);
    }
    return lines;
}

static void test_each_request(void **state)
{
    (void)state;
    open_log(1, 0);
    assert_int_equal(lines_of(1000), 1000);
}

static void test_one_in_so_many(void **state)
{
    (void)state;
    open_log(10, 0);
    assert_int_equal(lines_of(9), 0);
    assert_int_equal(lines_of(1), 1);
    assert_int_equal(lines_of(95), 9);
}

/* A second begins with its first line; when it is over there is room for as many again. */
static void test_so_many_a_second(void **state)
{
    (void)state;
    open_log(1, 3);
    assert_int_equal(lines_of(10), 3);
    assert_int_equal(log_of_test->left_out_count, 7);
    on_second(&log_of_test->second);
    assert_int_equal(log_of_test->left_out_count, 0); /* it has been told */
    assert_int_equal(lines_of(2), 2);
    assert_int_equal(log_of_test->left_out_count, 0);
    assert_int_equal(lines_of(2), 1);
}

static void test_both(void **state)
{
    (void)state;
    open_log(2, 3);
    assert_int_equal(lines_of(10), 3);
    assert_int_equal(log_of_test->left_out_count, 2); /* of those that were to have a line */
}

static void test_a_level_that_is_off(void **state)
{
    (void)state;
    log_set_level(LOG_WARN);
    open_log(1, 3);
    assert_int_equal(lines_of(10), 0);
    assert_int_equal(log_of_test->left_out_count, 0); /* nobody misses them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_in_so_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_so_many_a_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_both, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_level_that_is_off, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
