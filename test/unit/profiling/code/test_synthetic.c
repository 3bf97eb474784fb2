/* SPDX-License-Identifier: MIT
 *
 * test_synthetic.c - addresses that are no code: distinct, stable, and with names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "core/task/label.h"
#include "profiling/code/synthetic.h"

static void assert_name(uint64_t address, const char *wanted)
{
    char name[SYNTHETIC_NAME_BYTES];
    synthetic_name(address, name);
    assert_string_equal(name, wanted);
}

static void test_routes_have_names(void **state)
{
    (void)state;
    const uint32_t label = label_intern(STR("/v1/listings/:id"), "GET");
    const uint64_t address = synthetic_route(label);
    uint32_t found;
    assert_true(synthetic_is(address));
    assert_true(synthetic_label(address, &found));
    assert_int_equal(found, label);
    assert_name(address, "[GET /v1/listings/:id]");
    assert_name(address + 1, "[GET /v1/listings/:id]"); /* as a return address */
    assert_name(synthetic_route(LABEL_NONE), "[no route]");
    assert_int_not_equal(synthetic_route(LABEL_OTHER), address);
}

static void test_states_have_names(void **state)
{
    (void)state;
    const uint64_t pool = synthetic_state("mysql pool");
    const char same[] = "mysql pool";
    uint32_t label;
    assert_true(synthetic_is(pool));
    assert_false(synthetic_label(pool, &label));
    assert_name(pool, "[mysql pool]");
    assert_name(synthetic_state("[loop]"), "[loop]");
    assert_int_equal(synthetic_state(same), pool);
    assert_int_not_equal(synthetic_state("redis"), pool);
}

static void test_states_have_a_bound(void **state)
{
    (void)state;
    static char texts[2 * SYNTHETIC_STATES_MAX][16];
    uint64_t last = 0;
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "state %zu", i);
        last = synthetic_state(texts[i]);
        assert_true(synthetic_is(last));
    }
    assert_int_equal(synthetic_state("one more"), last);
}

static void test_code_is_not_synthetic(void **state)
{
    (void)state;
    assert_false(synthetic_is((uintptr_t)assert_name));
    assert_false(synthetic_is(0));
    assert_false(synthetic_is(UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes_have_names),
        cmocka_unit_test(test_states_have_names),
        cmocka_unit_test(test_states_have_a_bound),
        cmocka_unit_test(test_code_is_not_synthetic),
    };
    return cmocka_run_group_tests_name("synthetic", tests, NULL, NULL);
}
