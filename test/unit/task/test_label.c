/* SPDX-License-Identifier: MIT
 *
 * test_label.c - numbers of label sets, and what becomes of one set too many.
 *
 * label.c is included, with its malloc replaced by one that fails on demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "test/unit/support/failing_alloc.h"
#define malloc failing_malloc
#include "core/task/label.c"
#undef malloc

static void test_a_set_keeps_its_number(void **state)
{
    (void)state;
    char route[] = "/a";
    const uint32_t id = label_intern((struct str){route, 2}, "GET");
    assert_true(id > LABEL_OTHER);
    route[1] = 'z'; /* it was copied */
    assert_int_equal(label_intern(STR("/a"), "GET"), id);
    assert_int_not_equal(label_intern(STR("/a"), "PUT"), id);
    assert_int_not_equal(label_intern(STR("/"), "GET"), id);
    assert_string_equal(label_get(id).route, "/a");
    assert_string_equal(label_get(id).method, "GET");
}

static void test_an_rpc_is_a_set_of_its_own(void **state)
{
    (void)state;
    const uint32_t id = label_intern_rpc(STR("pkg.Service/Get"));
    assert_true(id > LABEL_OTHER);
    assert_int_equal(label_intern_rpc(STR("pkg.Service/Get")), id);
    assert_int_not_equal(label_intern(STR("pkg.Service/Get"), "POST"), id);
    assert_string_equal(label_get(id).rpc, "pkg.Service/Get");
    assert_null(label_get(id).route);
    assert_null(label_get(id).method);
}

static void test_numbers_that_nobody_has(void **state)
{
    (void)state;
    assert_null(label_get(LABEL_NONE).route);
    assert_null(label_get(LABEL_MAX).route);
    assert_null(label_get(UINT32_MAX).route);
    assert_string_equal(label_get(LABEL_OTHER).route, "other");
}

static void test_without_memory_it_is_other(void **state)
{
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        allocations_left = n;
        assert_int_equal(label_intern(STR("/no-memory"), "GET"), LABEL_OTHER);
        allocations_left = SIZE_MAX;
    }
    assert_true(label_intern(STR("/no-memory"), "GET") > LABEL_OTHER);
    allocations_left = 0;
    assert_int_equal(label_intern_rpc(STR("no.Memory/Get")), LABEL_OTHER);
    allocations_left = SIZE_MAX;
    assert_int_equal(label_overflow_count(), 0);
}

/* Last: the table stays full. */
static void test_one_too_many_is_other_and_counted(void **state)
{
    (void)state;
    char route[16];
    uint32_t last = 0;
    for (uint32_t i = 0; i < LABEL_MAX; i++) {
        const int len = snprintf(route, sizeof(route), "/%u", i);
        const uint32_t id = label_intern((struct str){route, (size_t)len}, "GET");
        last = id == LABEL_OTHER ? last : id;
    }
    assert_int_equal(last, LABEL_MAX - 1);
    assert_true(label_overflow_count() > 0);
    assert_int_equal(label_intern(STR("/one too many"), "GET"), LABEL_OTHER);
    assert_int_equal(label_intern(STR("/0"), "GET"), label_intern(STR("/0"), "GET"));
    assert_string_equal(label_get(LABEL_MAX - 1).method, "GET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_set_keeps_its_number),
        cmocka_unit_test(test_an_rpc_is_a_set_of_its_own),
        cmocka_unit_test(test_numbers_that_nobody_has),
        cmocka_unit_test(test_without_memory_it_is_other),
        cmocka_unit_test(test_one_too_many_is_other_and_counted),
    };
    return cmocka_run_group_tests_name("label", tests, NULL, NULL);
}
