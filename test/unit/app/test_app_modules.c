/* SPDX-License-Identifier: MIT
 *
 * test_app_modules.c - each step of a server is told to each module, in order; what fails stops
 * there, and what is open is closed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "config/config.h"
#include "core/app/app_modules.h"
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

/* What the modules were called for: "open a, open b ...". */
static char said[512];
static int open_status; /* of "b" */
static int start_code;  /* of "b" */
static const void *seen_context;

static void say(const char *what, const char *name)
{
    const size_t len = strlen(said);
    (void)snprintf(said + len, sizeof(said) - len, "%s%s %s", len == 0 ? "" : ", ", what, name);
}

static void assert_said(const char *text)
{
    assert_string_equal(said, text);
    said[0] = '\0';
}

struct state_a {
    uint64_t number; /* A_NUMBER */
    char rest[100];
};

static int open_a(void *state, const struct app_context *context)
{
    const struct state_a *a = state;
    static const char zeros[sizeof(a->rest)];
    assert_memory_equal(a->rest, zeros, sizeof(zeros));
    seen_context = context;
    say("open", "a");
    return 0;
}

static int open_b(void *state, const struct app_context *context)
{
    (void)state;
    (void)context;
    say("open", "b");
    return open_status;
}

#define STEP(step, name)                                                                           \
    static void step##_##name(void *state)                                                         \
    {                                                                                              \
        (void)state;                                                                               \
        say(#step, #name);                                                                         \
    }
STEP(ready, a)
STEP(dump, b)
STEP(data_close, a)
STEP(stop, a)
STEP(stop, b)
STEP(close, a)
STEP(close, b)

static int start_a(void *state)
{
    (void)state;
    say("start", "a");
    return 0;
}

static int start_b(void *state)
{
    (void)state;
    say("start", "b");
    return start_code;
}

static const struct config_option options_a[] = {
    {.name = "A_NUMBER",
     .kind = CONFIG_NUMBER,
     .offset = offsetof(struct state_a, number),
     .value = "7",
     .unit = "things",
     .min = 1,
     .max = 9,
     .help = "a number"},
};

static const char *const steps[] = {"CREATE TABLE t (i INT)"};
static const struct sql_schema schema_a = {.steps = steps, .step_count = 1, .probe = "SELECT 1"};
static const struct sql_schema schema_c = {.steps = steps, .step_count = 1};

static const struct app_module module_a = {.name = "a",
                                           .state_bytes = sizeof(struct state_a),
                                           .options = options_a,
                                           .option_count = 1,
                                           .schema = &schema_a,
                                           .open = open_a,
                                           .start = start_a,
                                           .on_ready = ready_a,
                                           .on_data_close = data_close_a,
                                           .stop = stop_a,
                                           .close = close_a};
static const struct app_module module_b = {.name = "b",
                                           .open = open_b,
                                           .start = start_b,
                                           .on_dump = dump_b,
                                           .stop = stop_b,
                                           .close = close_b};
static const struct app_module module_c = {.name = "c", .schema = &schema_c}; /* nothing else */
static const struct app_module module_d = {.name = "d"};                      /* in no list */

static const struct app_module *const list[] = {&module_a, &module_b, &module_c, NULL};

static struct app_modules modules;
static struct app_context context;

static int set_up(void **state)
{
    (void)state;
    said[0] = '\0';
    open_status = 0;
    start_code = 0;
    context = (struct app_context){.modules = &modules};
    return app_modules_create(&modules, list);
}

static int tear_down(void **state)
{
    (void)state;
    return 0;
}

static void test_a_life(void **state)
{
    (void)state;
    assert_int_equal(app_modules_open(&modules, &context), 0);
    assert_ptr_equal(seen_context, &context);
    assert_int_equal(app_modules_start(&modules), 0);
    app_modules_ready(&modules);
    app_modules_dump(&modules);
    app_modules_data_close(&modules);
    app_modules_stop(&modules);
    app_modules_close(&modules);
    assert_said("open a, open b, start a, start b, ready a, dump b, data_close a,"
                " stop b, stop a, close b, close a");
}

/* The one that fails is closed, too: it may have opened a part. Those behind it are not. */
static void test_one_that_does_not_open(void **state)
{
    (void)state;
    static const struct app_module *const other[] = {&module_b, &module_a, NULL};
    app_modules_close(&modules);
    assert_int_equal(app_modules_create(&modules, other), 0);
    assert_said("");
    open_status = UV_ENOMEM;
    assert_int_equal(app_modules_open(&modules, &context), UV_ENOMEM);
    app_modules_close(&modules);
    assert_said("open b, close b");
}

static void test_one_that_does_not_start(void **state)
{
    (void)state;
    assert_int_equal(app_modules_open(&modules, &context), 0);
    start_code = 69;
    assert_int_equal(app_modules_start(&modules), 69);
    app_modules_close(&modules);
    assert_said("open a, open b, start a, start b, close b, close a");
}

static void test_states_are_found_by_their_modules(void **state)
{
    (void)state;
    struct state_a *a = app_module_state(&context, &module_a);
    assert_non_null(a);
    assert_non_null(app_module_state(&context, &module_b));
    assert_ptr_not_equal(app_module_state(&context, &module_b), a);
    assert_null(app_module_state(&context, &module_d));
    app_modules_close(&modules);
}

/* An option's value goes to the state of its module. */
static void test_options(void **state)
{
    (void)state;
    static struct config config;
    static struct config_set set;
    config_set_init(&set, &config);
    app_modules_add_options(&modules, &set);
    const struct state_a *a = app_module_state(&context, &module_a);
    char error[CONFIG_ERROR_BYTES];
    const char *env[] = {"A_NUMBER=9", NULL};
    assert_int_equal(chdir("/"), 0); /* where no env file is */
    if (!config_load_from(&set, env, error)) {
        fail_msg("%s", error);
    }
    assert_int_equal(a->number, 9);
    app_modules_close(&modules);
}

static void test_schemas_and_probes(void **state)
{
    (void)state;
    struct sql_migrate_part parts[APP_MODULES_MAX];
    const char *probes[APP_MODULES_MAX + 1];
    assert_int_equal(app_modules_schemas(list, parts), 2);
    assert_string_equal(parts[0].module, "a");
    assert_ptr_equal(parts[0].schema, &schema_a);
    assert_string_equal(parts[1].module, "c");
    app_modules_probes(&modules, probes);
    assert_string_equal(probes[0], "SELECT 1");
    assert_null(probes[1]);
    app_modules_close(&modules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_does_not_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_does_not_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_states_are_found_by_their_modules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_schemas_and_probes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
