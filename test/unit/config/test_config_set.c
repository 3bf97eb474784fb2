/* SPDX-License-Identifier: MIT
 *
 * test_config_set.c - tables put together; names are found and guessed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "config/config.h"

struct extra {
    uint64_t loops;
};

static const struct config_option extra_options[] = {
    {.name = "EXTRA_LOOPS",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct extra, loops),
     .unit = "loops"},
};

static struct config config;
static struct extra extra;
static struct config_set set;

static int set_up(void **state)
{
    (void)state;
    config_set_init(&set, &config);
    config_set_add(&set, extra_options, ARRAY_COUNT(extra_options), &extra);
    return 0;
}

static void test_tables_follow_each_other(void **state)
{
    (void)state;
    struct config_name name;
    const size_t own = config_core_option_count + config_tracing_option_count;
    assert_int_equal(set.count, own + 1);
    assert_ptr_equal(set.entries[0].values, &config);
    assert_true(config_set_find(&set, STR("EXTRA_LOOPS"), &name));
    assert_int_equal(name.index, own);
    assert_ptr_equal(set.entries[name.index].values, &extra);
    assert_ptr_equal(set.entries[name.index].option, &extra_options[0]);
}

static void test_find(void **state)
{
    (void)state;
    struct config_name name;
    assert_true(config_set_find(&set, STR("HTTP_PORT"), &name));
    assert_string_equal(name.option->name, "HTTP_PORT");
    assert_false(name.is_file);
    assert_true(config_set_find(&set, STR("PPROF_TOKEN_FILE"), &name));
    assert_string_equal(name.option->name, "PPROF_TOKEN");
    assert_true(name.is_file);
    assert_false(config_set_find(&set, STR("HTTP_PORT_FILE"), &name)); /* no secret */
    assert_false(config_set_find(&set, STR("http_port"), &name));
    assert_false(config_set_find(&set, STR("HTTP_POR"), &name));
    assert_false(config_set_find(&set, STR("_FILE"), &name));
    assert_false(config_set_find(&set, STR(""), &name));
}

static void assert_nearest(struct str typed, const char *expected, bool is_file)
{
    struct config_name name;
    assert_true(config_set_nearest(&set, typed, &name));
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
    assert_nearest(STR("EXTRA_LOPS"), "EXTRA_LOOPS", false);
}

static void test_nothing_near(void **state)
{
    (void)state;
    struct config_name name;
    char longer[70];
    memset(longer, 'A', sizeof(longer));
    assert_false(config_set_nearest(&set, STR("MALLOC_CONF"), &name));
    assert_false(config_set_nearest(&set, STR("FOO"), &name));
    assert_false(config_set_nearest(&set, (struct str){longer, sizeof(longer)}, &name));
    assert_false(config_set_nearest(&set, (struct str){longer, 64}, &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_follow_each_other),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nothing_near),
    };
    return cmocka_run_group_tests_name("config_set", tests, set_up, NULL);
}
