/* SPDX-License-Identifier: MIT
 *
 * test_duration.c - what Go reads is read, and nothing else but a plain number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/duration.h"

static void assert_parsed(const char *text, uint64_t wanted_ns)
{
    uint64_t ns = 1;
    if (!duration_parse(str_from(text), &ns) || ns != wanted_ns) {
        fail_msg("\"%s\" is %llu", text, (unsigned long long)ns);
    }
}

static void test_durations(void **state)
{
    (void)state;
    assert_parsed("0", 0);
    assert_parsed("90", 90 * NS_PER_S);
    assert_parsed("90s", 90 * NS_PER_S);
    assert_parsed("2m", 120 * NS_PER_S);
    assert_parsed("1h30m", 5400 * NS_PER_S);
    assert_parsed("1h2m3s4ms5us6ns", 3723 * NS_PER_S + UINT64_C(4005006));
    assert_parsed("1.5s", 1500 * NS_PER_MS);
    assert_parsed(".5h", 1800 * NS_PER_S);
    assert_parsed("2.m", 120 * NS_PER_S);
    assert_parsed("5\xC2\xB5s", 5000);
    assert_parsed("5\xCE\xBCs", 5000);
    assert_parsed("0.123456789s", 123456789);
    assert_parsed("0.1234567899999999999999s", 123456789);
    assert_parsed("0.9999999999999h", UINT64_C(3599999999999));
    assert_parsed("1s1s", 2 * NS_PER_S);
    assert_parsed("9223372036854775807ns", INT64_MAX);
    assert_parsed("9223372036", UINT64_C(9223372036) * NS_PER_S);
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-2m",
        "+2m",
        "-1",
        "2m ",
        " 2m",
        "m",
        ".s",
        ".",
        "1.5",
        "1d",
        "1M",
        "1hm",
        "1h30",
        "2 m",
        "1..5s",
        "1.5.5s",
        "0x1s",
        "1e3s",
        "abc",
        "9223372037",
        "9223372036854775808ns",
        "2562048h",
        "9223372036s900ms",
        "99999999999999999999s",
        "1\xC2s",
    };
    uint64_t ns = 7;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (duration_parse(str_from(texts[i]), &ns)) {
            fail_msg("\"%s\" was taken", texts[i]);
        }
    }
    assert_false(duration_parse((struct str){NULL, 0}, &ns));
    assert_int_equal(ns, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
