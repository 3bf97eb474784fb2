/* SPDX-License-Identifier: MIT
 *
 * test_pprof_symbol.c - numbers as Go's ParseUint takes them, and no others.
 *
 * pprof_symbol.c is included: what it makes of the numbers is in test_symbols.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "handlers/diagnostics/pprof/pprof_symbol.c"
#include <cmocka.h>

static void assert_word(const char *word, uint64_t number)
{
    uint64_t pc = 0;
    assert_true(parse_word(str_from(word), &pc));
    assert_int_equal(pc, number);
}

static void test_each_base(void **state)
{
    (void)state;
    assert_word("0", 0);
    assert_word("12", 12);
    assert_word("0x1aF", 0x1af);
    assert_word("0X1a", 0x1a);
    assert_word("0b101", 5);
    assert_word("0o17", 15);
    assert_word("017", 15);
    assert_word("18446744073709551615", UINT64_MAX);
    assert_word("0x00000000000000000000000000000000000000000000000000000000000000000000000001", 1);
    assert_word("0xffffffffffffffff", UINT64_MAX);
    assert_word("0b1111111111111111111111111111111111111111111111111111111111111111", UINT64_MAX);
}

static void test_what_is_no_number(void **state)
{
    (void)state;
    static const char *const words[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "0x",
        "0xg",
        "0b2",
        "0o8",
        "08",
        "abc",
        "1.5",
        "1e3",
        "0x-1",
        "0x+1",
        "0x 1",
        "18446744073709551616",
        "0x10000000000000000",
        "0b11111111111111111111111111111111111111111111111111111111111111111",
        "0x0x1",
        "0b0b1",
        "0x\x10",
    };
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        uint64_t pc;
        if (parse_word(str_from(words[i]), &pc)) {
            fail_msg("\"%s\" is taken for %llu", words[i], (unsigned long long)pc);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_base),
        cmocka_unit_test(test_what_is_no_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
