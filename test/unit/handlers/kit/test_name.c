/* SPDX-License-Identifier: MIT
 *
 * test_name.c - a prefix and the rest make one name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/kit/name.h"

static void test_two_parts_make_one_name(void **state)
{
    (void)state;
    struct arena arena;
    struct str name;
    arena_init(&arena, 1 << 16);
    assert_true(name_join(&arena, "toq:visits:", STR("home"), &name));
    assert_true(str_equal(name, STR("toq:visits:home")));
    assert_true(name_join(&arena, "toq:visits:", (struct str){NULL, 0}, &name));
    assert_true(str_equal(name, STR("toq:visits:")));
    assert_true(name_join(&arena, "", ((struct str){"a\0b", 3}), &name));
    assert_true(str_equal(name, ((struct str){"a\0b", 3})));
    arena_deinit(&arena);
}

static void test_too_long_or_without_memory_there_is_none(void **state)
{
    static const char text[NAME_REST_MAX + 1];
    (void)state;
    struct arena arena;
    struct str name = STR("untouched");
    arena_init(&arena, 0);
    assert_false(name_join(&arena, "toq:visits:", STR("home"), &name));
    assert_true(str_equal(name, STR("untouched")));
    arena_init(&arena, NAME_ARENA_BYTES);
    assert_false(name_join(&arena, "", ((struct str){text, sizeof(text)}), &name));
    assert_true(name_join(&arena, "", ((struct str){text, sizeof(text) - 1}), &name));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_parts_make_one_name),
        cmocka_unit_test(test_too_long_or_without_memory_there_is_none),
    };
    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
