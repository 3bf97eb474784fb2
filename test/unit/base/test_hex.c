/* SPDX-License-Identifier: MIT
 *
 * test_hex.c - every byte there and back, and what is no digit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/base/hex.h"

static void test_every_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        const uint8_t bytes[] = {(uint8_t)byte, 0xA5};
        char wanted[5];
        char out[] = "----!";
        (void)snprintf(wanted, sizeof(wanted), "%02xa5", byte);
        hex_encode(bytes, sizeof(bytes), out);
        assert_memory_equal(out, wanted, 4);
        assert_int_equal(out[4], '!'); /* no NUL */
        assert_int_equal(hex_value(out[0]) * 16 + hex_value(out[1]), byte);
    }
}

static void test_what_is_no_digit(void **state)
{
    (void)state;
    int digits = 0;
    int any_digits = 0;
    for (int c = 0; c < 256; c++) {
        digits += hex_value((char)c) >= 0;
        any_digits += hex_value_any((char)c) >= 0;
    }
    assert_int_equal(digits, 16);
    assert_int_equal(any_digits, 22);
    assert_int_equal(hex_value_any('A'), 10);
    assert_int_equal(hex_value_any('f'), 15);
    assert_int_equal(hex_value('A'), -1);
    assert_int_equal(hex_value('g'), -1);
    assert_int_equal(hex_value('/'), -1);
    assert_int_equal(hex_value(':'), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_what_is_no_digit),
    };
    return cmocka_run_group_tests_name("hex", tests, NULL, NULL);
}
