/* SPDX-License-Identifier: MIT
 *
 * test_config_core.c - every row of the core's table and of the modules' is whole.
 *
 * Tests: handlers/modules.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "config/config.h"
#include "config/config_value.h"
#include "core/app/app_modules.h"
#include "handlers/modules.h"

static struct config config;
static struct config_set set;
static struct app_modules modules;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(app_modules_create(&modules, modules_list()), 0);
    config_set_init(&set, &config);
    app_modules_add_options(&modules, &set);
    assert_true(set.count > config_core_option_count);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    app_modules_close(&modules);
    return 0;
}

static void test_every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < set.count; i++) {
        const struct config_option *option = set.entries[i].option;
        assert_non_null(option->name);
        assert_non_null(option->help);
        assert_true(option->kind != CONFIG_CHOICE || option->choices != NULL);
        assert_true(option->kind != CONFIG_NUMBER || option->unit != NULL);
        /* an empty text or list means something, an empty number or choice does not */
        assert_true(config_option_is_secret(option) || option->kind == CONFIG_TEXT ||
                    option->kind == CONFIG_LIST || option->value != NULL);
        /* zero is explained where it is allowed and nowhere else */
        assert_true(option->kind != CONFIG_NUMBER || (option->zero != NULL) == (option->min == 0));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(option->name, set.entries[j].option->name);
            assert_true(set.entries[i].values != set.entries[j].values ||
                        option->offset != set.entries[j].option->offset);
        }
    }
}

static void test_every_default_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < set.count; i++) {
        for (int env = CONFIG_DEVELOPMENT; env <= CONFIG_PRODUCTION; env++) {
            const char *value = config_option_default(set.entries[i].option, (enum config_env)env);
            if (value != NULL) {
                assert_true(config_value_store(set.entries[i].option, str_from(value),
                                               set.entries[i].values));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_every_default_is_allowed),
    };
    return cmocka_run_group_tests_name("config_core", tests, set_up, tear_down);
}
