/* SPDX-License-Identifier: MIT
 *
 * test_config_host.c - which hosts are understood, which are private, which collide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "config/config_host.h"

static struct in6_addr parse(const char *text)
{
    struct in6_addr address;
    assert_true(config_host_parse(str_from(text), &address));
    return address;
}

static bool is_loopback(const char *text)
{
    const struct in6_addr address = parse(text);
    return config_host_is_loopback(&address);
}

static bool overlaps(const char *a, const char *b)
{
    const struct in6_addr first = parse(a);
    const struct in6_addr second = parse(b);
    assert_int_equal(config_host_overlaps(&first, &second), config_host_overlaps(&second, &first));
    return config_host_overlaps(&first, &second);
}

static void test_names_are_refused(void **state)
{
    (void)state;
    const char *wrong[] = {
        "",           "example.org", "LOCALHOST", "127.1",      "1.2.3.4.5",
        "256.0.0.1",  "[::1]",       "::1%lo",    "127.0.0.1:", " 127.0.0.1",
        "0x7f.0.0.1", ":::",         "1.2.3.4/8", "*",          "127.0.0.1 ::1  x"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct in6_addr address;
        assert_false(config_host_parse(str_from(wrong[i]), &address));
    }
    struct in6_addr address;
    assert_false(config_host_parse(STR("1.2.3.4\0"), &address));
    assert_false(
        config_host_parse(STR("0000:0000:0000:0000:0000:ffff:255.255.255.2555"), &address));
}

static void test_loopback(void **state)
{
    (void)state;
    assert_true(is_loopback("127.0.0.1"));
    assert_true(is_loopback("127.255.0.3"));
    assert_true(is_loopback("localhost"));
    assert_true(is_loopback("::1"));
    assert_true(is_loopback("0:0:0:0:0:0:0:1"));
    assert_true(is_loopback("::ffff:127.0.0.1"));
    assert_false(is_loopback("0.0.0.0"));
    assert_false(is_loopback("::"));
    assert_false(is_loopback("128.0.0.1"));
    assert_false(is_loopback("::127.0.0.1"));
    assert_false(is_loopback("fe80::1"));
}

static void test_overlap(void **state)
{
    (void)state;
    assert_true(overlaps("127.0.0.1", "localhost"));
    assert_true(overlaps("0.0.0.0", "10.1.2.3"));
    assert_true(overlaps("::", "10.1.2.3"));
    assert_true(overlaps("::", "0.0.0.0"));
    assert_true(overlaps("::", "::1"));
    assert_true(overlaps("::1", "0::1"));
    assert_false(overlaps("0.0.0.0", "::1"));
    assert_false(overlaps("127.0.0.1", "::1"));
    assert_false(overlaps("127.0.0.1", "127.0.0.2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_refused),
        cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_overlap),
    };
    return cmocka_run_group_tests_name("config_host", tests, NULL, NULL);
}
