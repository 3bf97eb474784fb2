/* SPDX-License-Identifier: MIT
 *
 * test_random.c - numbers differ, in their high bits, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/random.h"

static void test_numbers_differ(void **state)
{
    (void)state;
    const uint64_t first = random_u64();
    assert_true(first != random_u64() || first != random_u64());
}

static void test_every_bit_is_set_and_clear_at_times(void **state)
{
    (void)state;
    uint64_t set = 0;
    uint64_t clear = 0;
    uint16_t short_set = 0;
    for (int i = 0; i < 200; i++) { /* each bit stays away with 2^-199 */
        const uint64_t number = random_u64();
        set |= number;
        clear |= ~number;
        short_set |= random_u16();
    }
    assert_int_equal(set, UINT64_MAX);
    assert_int_equal(clear, UINT64_MAX);
    assert_int_equal(short_set, UINT16_MAX);
}

static void test_a_place_keeps_its_number(void **state)
{
    (void)state;
    uint64_t set = 0;
    uint64_t clear = 0;
    for (uint64_t i = 0; i < 200; i++) {
        const uint64_t number = random_at(i);
        assert_int_equal(number, random_at(i));
        assert_int_not_equal(number, random_at(i + 1));
        set |= number;
        clear |= ~number;
    }
    assert_int_equal(set, UINT64_MAX);
    assert_int_equal(clear, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_differ),
        cmocka_unit_test(test_every_bit_is_set_and_clear_at_times),
        cmocka_unit_test(test_a_place_keeps_its_number),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
