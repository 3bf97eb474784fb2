/* SPDX-License-Identifier: MIT
 *
 * test_config_options.c - every row of the table is whole, names are found and guessed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "config/config_options.h"
#include "config/config_value.h"

static void test_every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        assert_non_null(option->name);
        assert_non_null(option->help);
        assert_true(option->kind != CONFIG_CHOICE || option->choices != NULL);
        assert_true(option->kind != CONFIG_NUMBER || option->unit != NULL);
        /* an empty text means something, an empty number or choice does not */
        assert_true(config_option_is_secret(option) || option->kind == CONFIG_TEXT ||
                    option->value != NULL);
        /* zero is explained where it is allowed and nowhere else */
        assert_true(option->kind != CONFIG_NUMBER || (option->zero != NULL) == (option->min == 0));
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(option->name, config_options[j].name);
            assert_int_not_equal(option->offset, config_options[j].offset);
        }
    }
}

static void test_every_default_is_allowed(void **state)
{
    (void)state;
    struct config config = {0};
    for (size_t i = 0; i < CONFIG_OPTION_COUNT; i++) {
        for (int env = CONFIG_DEVELOPMENT; env <= CONFIG_PRODUCTION; env++) {
            const char *value = config_options_default(&config_options[i], (enum config_env)env);
            if (value != NULL) {
                assert_true(config_value_store(&config_options[i], str_from(value), &config));
            }
        }
    }
}

static void test_find(void **state)
{
    (void)state;
    struct config_name name;
    assert_true(config_options_find(STR("HTTP_PORT"), &name));
    assert_string_equal(name.option->name, "HTTP_PORT");
    assert_false(name.is_file);
    assert_true(config_options_find(STR("PPROF_TOKEN_FILE"), &name));
    assert_string_equal(name.option->name, "PPROF_TOKEN");
    assert_true(name.is_file);
    assert_false(config_options_find(STR("HTTP_PORT_FILE"), &name)); /* no secret */
    assert_false(config_options_find(STR("http_port"), &name));
    assert_false(config_options_find(STR("HTTP_POR"), &name));
    assert_false(config_options_find(STR("_FILE"), &name));
    assert_false(config_options_find(STR(""), &name));
}

static void assert_nearest(struct str typed, const char *expected, bool is_file)
{
    struct config_name name;
    assert_true(config_options_nearest(typed, &name));
    assert_string_equal(name.option->name, expected);
    assert_int_equal(name.is_file, is_file);
}

static void test_nearest(void **state)
{
    (void)state;
    assert_nearest(STR("HTTPPORT"), "HTTP_PORT", false);
    assert_nearest(STR("HTTP_PROT"), "HTTP_PORT", false);
    assert_nearest(STR("http_port"), "HTTP_PORT", false);
    assert_nearest(STR("LOGLEVEL"), "LOG_LEVEL", false);
    assert_nearest(STR("MAX_CONECTIONS"), "MAX_CONNECTIONS", false);
    assert_nearest(STR("PPROF_TOKEN_FIEL"), "PPROF_TOKEN", true);
    assert_nearest(STR("PPROF_TOKENS"), "PPROF_TOKEN", false);
}

static void test_nothing_near(void **state)
{
    (void)state;
    struct config_name name;
    char longer[70];
    memset(longer, 'A', sizeof(longer));
    assert_false(config_options_nearest(STR("MALLOC_CONF"), &name));
    assert_false(config_options_nearest(STR("FOO"), &name));
    assert_false(config_options_nearest((struct str){longer, sizeof(longer)}, &name));
    assert_false(config_options_nearest((struct str){longer, 64}, &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_every_default_is_allowed),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nothing_near),
    };
    return cmocka_run_group_tests_name("config_options", tests, NULL, NULL);
}
