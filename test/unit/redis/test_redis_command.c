/* SPDX-License-Identifier: MIT
 *
 * test_redis_command.c - the bytes of a command, and their bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/redis/redis_command.h"

static void assert_command(const struct str *args, size_t count, struct str expected)
{
    char out[256];
    const size_t bound = redis_command_bound(args, count, sizeof(out));
    assert_in_range(bound, 1, sizeof(out));
    const size_t len = redis_command_put(out, args, count);
    assert_true(len <= bound);
    assert_true(str_equal((struct str){out, len}, expected));
}

static void test_any_byte_is_an_argument(void **state)
{
    (void)state;
    const struct str ping[] = {STR("PING")};
    assert_command(ping, 1, STR("*1\r\n$4\r\nPING\r\n"));
    const struct str set[] = {STR("SET"), STR("a\r\n b"), STR("\0\xFF"), {NULL, 0}};
    assert_command(set, 4, STR("*4\r\n$3\r\nSET\r\n$5\r\na\r\n b\r\n$2\r\n\0\xFF\r\n$0\r\n\r\n"));
}

static void test_more_than_the_maximum(void **state)
{
    (void)state;
    const struct str big[] = {STR("SET"), {"", SIZE_MAX}, {"", SIZE_MAX}};
    assert_int_equal(redis_command_bound(big, 3, 1000), SIZE_MAX);
    const struct str many[] = {STR("a"), STR("b"), STR("c")};
    assert_int_equal(redis_command_bound(many, 3, 100), SIZE_MAX);
    assert_int_equal(redis_command_bound(many, 3, 103), 103);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_byte_is_an_argument),
        cmocka_unit_test(test_more_than_the_maximum),
    };
    return cmocka_run_group_tests_name("redis_command", tests, NULL, NULL);
}
