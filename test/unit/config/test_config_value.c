/* SPDX-License-Identifier: MIT
 *
 * test_config_value.c - what each kind of option takes, at its edges, and how it is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "config/config.h"
#include "config/config_value.h"
#include "core/telemetry/log.h"

static const struct config_option *option(const char *name)
{
    static struct config unused;
    static struct config_set set;
    struct config_name found;
    config_set_init(&set, &unused);
    assert_true(config_set_find(&set, str_from(name), &found));
    return found.option;
}

static bool store(const char *name, struct str text, struct config *config)
{
    return config_value_store(option(name), text, config);
}

static void test_choices_are_the_enums(void **state)
{
    (void)state;
    struct config config = {0};
    assert_true(store("LOG_LEVEL", STR("debug"), &config));
    assert_int_equal(config.log_level, LOG_DEBUG);
    assert_true(store("LOG_LEVEL", STR("info"), &config));
    assert_int_equal(config.log_level, LOG_INFO);
    assert_true(store("LOG_LEVEL", STR("warn"), &config));
    assert_int_equal(config.log_level, LOG_WARN);
    assert_true(store("LOG_LEVEL", STR("error"), &config));
    assert_int_equal(config.log_level, LOG_ERROR);
    assert_true(store("LOG_FORMAT", STR("text"), &config));
    assert_int_equal(config.log_format, LOG_TEXT);
    assert_true(store("LOG_FORMAT", STR("json"), &config));
    assert_int_equal(config.log_format, LOG_JSON);
    assert_true(store("ENV", STR("production"), &config));
    assert_int_equal(config.env, CONFIG_PRODUCTION);
    assert_string_equal(config_env_name(config.env), "production");
    assert_string_equal(config_env_name(CONFIG_DEVELOPMENT), "development");
}

static void test_refused_text_leaves_the_field(void **state)
{
    (void)state;
    struct config config = {.log_level = LOG_WARN, .http_port = 7, .enable_pprof = true};
    assert_false(store("LOG_LEVEL", STR("INFO"), &config));
    assert_false(store("LOG_LEVEL", STR("inf"), &config));
    assert_false(store("LOG_LEVEL", STR(""), &config));
    assert_int_equal(config.log_level, LOG_WARN);
    assert_false(store("HTTP_PORT", STR("65536"), &config));
    assert_false(store("HTTP_PORT", STR("-1"), &config));
    assert_false(store("HTTP_PORT", STR("80 "), &config));
    assert_int_equal(config.http_port, 7);
    assert_false(store("ENABLE_PPROF", STR("0"), &config));
    assert_false(store("ENABLE_PPROF", STR("False"), &config));
    assert_true(config.enable_pprof);
}

static void test_numbers_at_their_edges(void **state)
{
    (void)state;
    struct config config = {0};
    assert_true(store("HTTP_PORT", STR("0"), &config));
    assert_true(store("HTTP_PORT", STR("65535"), &config));
    assert_int_equal(config.http_port, 65535);
    assert_false(store("MAX_HEADER_BYTES", STR("255"), &config));
    assert_true(store("MAX_HEADER_BYTES", STR("256"), &config));
    assert_true(store("MAX_HEADER_BYTES", STR("1048576"), &config));
    assert_false(store("MAX_HEADER_BYTES", STR("1048577"), &config));
    assert_false(store("IDLE_TIMEOUT_MS", STR("0"), &config));
}

static void test_secret_is_long_enough_and_printable(void **state)
{
    (void)state;
    struct config config = {0};
    char longest[CONFIG_TEXT_BYTES];
    memset(longest, 'x', sizeof(longest));
    assert_false(store("PPROF_TOKEN", STR("123456789012345"), &config));
    assert_true(store("PPROF_TOKEN", STR("1234567890!~#$%^"), &config));
    assert_string_equal(config.pprof_token, "1234567890!~#$%^");
    assert_false(store("PPROF_TOKEN", STR("1234567890 123456"), &config));
    assert_false(store("PPROF_TOKEN", STR("1234567890\n123456"), &config));
    assert_false(store("PPROF_TOKEN", STR("1234567890\0001234567"), &config));
    assert_false(store("PPROF_TOKEN",
                       STR("1234567890\x7F"
                           "123456"),
                       &config));
    assert_false(store("PPROF_TOKEN",
                       STR("123456789\xC3\xBC"
                           "1234567"),
                       &config));
    assert_false(store("PPROF_TOKEN", (struct str){longest, sizeof(longest)}, &config));
    assert_true(store("PPROF_TOKEN", (struct str){longest, sizeof(longest) - 1}, &config));
    assert_int_equal(strlen(config.pprof_token), CONFIG_TEXT_BYTES - 1);
}

/* the core has no list of secrets */
static const struct config_option tokens_option = {
    .name = "TOKENS", .kind = CONFIG_SECRETS, .min = 16, .max = CONFIG_TEXT_BYTES - 1};

static void test_secrets_come_with_commas_or_lines(void **state)
{
    (void)state;
    char tokens[CONFIG_LIST_BYTES] = "";
    assert_true(config_value_store(&tokens_option, STR("0123456789abcdef"), tokens));
    assert_string_equal(tokens, "0123456789abcdef");
    assert_true(config_value_store(&tokens_option,
                                   STR("\n0123456789abcdef , fedcba9876543210\r\n \n"), tokens));
    assert_string_equal(tokens, "0123456789abcdef,fedcba9876543210");
    assert_true(
        config_value_store(&tokens_option, STR("0123456789abcdef\n0123456789ABCDEF\n"), tokens));
    assert_string_equal(tokens, "0123456789abcdef,0123456789ABCDEF");
    assert_false(config_value_store(&tokens_option, STR("0123456789abcdef,short"), tokens));
    assert_false(
        config_value_store(&tokens_option, STR("0123456789abcdef fedcba9876543210"), tokens));
    static const char *const empty_ones[] = {
        ",",
        ",\n",
        "0123456789abcdef,,fedcba9876543210",
        ",0123456789abcdef",
        "0123456789abcdef,",
        "0123456789abcdef, ,fedcba9876543210",
        "0123456789abcdef\n,fedcba9876543210",
    };
    for (size_t i = 0; i < ARRAY_COUNT(empty_ones); i++) {
        assert_false(config_value_store(&tokens_option, str_from(empty_ones[i]), tokens));
    }
    assert_string_equal(tokens, "0123456789abcdef,0123456789ABCDEF");
}

static void test_secrets_that_fit(void **state)
{
    (void)state;
    char tokens[CONFIG_LIST_BYTES] = "";
    char list[CONFIG_LIST_BYTES + 1];
    memset(list, 'x', sizeof(list));
    for (size_t i = 31; i < sizeof(list); i += 32) {
        list[i] = ',';
    }
    assert_true(
        config_value_store(&tokens_option, (struct str){list, CONFIG_LIST_BYTES - 1}, tokens));
    assert_int_equal(strlen(tokens), CONFIG_LIST_BYTES - 1);
    list[CONFIG_LIST_BYTES - 1] = 'x';
    assert_false(config_value_store(&tokens_option, (struct str){list, CONFIG_LIST_BYTES}, tokens));
}

static void test_folder_takes_any_name_without_control_bytes(void **state)
{
    (void)state;
    struct config config = {0};
    assert_true(store("CONFIG_DIR", STR("/etc/t\xC3\xB6q config"), &config));
    assert_string_equal(config.config_dir, "/etc/t\xC3\xB6q config");
    assert_false(store("CONFIG_DIR", STR(""), &config));
    assert_false(store("CONFIG_DIR", STR("/etc\n"), &config));
}

static void test_text_has_its_own_length(void **state)
{
    (void)state;
    struct config config = {0};
    char longest[65];
    memset(longest, 'x', sizeof(longest));
    assert_true(store("MYSQL_HOST", STR("db-1.example.org"), &config));
    assert_true(store("MYSQL_HOST", STR("/run/mysqld/mysqld.sock"), &config));
    assert_string_equal(config.mysql_host, "/run/mysqld/mysqld.sock");
    assert_false(store("MYSQL_HOST", STR("db 1"), &config));
    assert_false(store("MYSQL_HOST", STR("db\0"), &config));
    assert_false(store("MYSQL_USER", STR(""), &config));
    assert_true(store("MYSQL_DATABASE", (struct str){longest, 64}, &config));
    assert_false(store("MYSQL_DATABASE", (struct str){longest, 65}, &config));
    assert_true(store("MYSQL_PASSWORD", STR("p"), &config));
    assert_true(store("REDIS_HOST", STR("cache.example.org"), &config));
    assert_string_equal(config.redis_host, "cache.example.org");
    assert_false(store("REDIS_PORT", STR("0"), &config));
    assert_true(store("REDIS_PASSWORD", STR("p"), &config));
    assert_true(store("REDIS_DB", STR("0"), &config));
}

static void assert_allowed(const char *name, const char *expected)
{
    char out[CONFIG_TEXT_BYTES];
    config_value_allowed(option(name), out);
    assert_string_equal(out, expected);
}

static void test_allowed_names_the_unit(void **state)
{
    (void)state;
    assert_allowed("LOG_LEVEL", "debug, info, warn or error");
    assert_allowed("LOG_FORMAT", "text or json");
    assert_allowed("ENABLE_METRICS", "true or false");
    assert_allowed("HTTP_PORT", "a port, 0 to 65535 (0 picks a free one)");
    assert_allowed("IDLE_TIMEOUT_MS", "milliseconds, 1 to 3600000");
    assert_allowed("HTTP_HOST", "an IPv4 or IPv6 address, or localhost");
    assert_allowed("CONFIG_DIR", "a folder, 1 to 255 bytes");
    assert_allowed("MYSQL_DATABASE", "1 to 64 printable ASCII characters without blanks");
    assert_allowed("PPROF_TOKEN", "16 to 255 printable ASCII characters without blanks");
}

static void assert_option_prints(const struct config_option *row, const void *values,
                                 const char *expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_value_print(row, values, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_prints(const char *name, const struct config *config, const char *expected)
{
    assert_option_prints(option(name), config, expected);
}

static void test_print_by_kind(void **state)
{
    (void)state;
    struct config config = {.log_level = LOG_ERROR, .enable_metrics = true, .http_port = 81};
    assert_prints("LOG_LEVEL", &config, "error");
    assert_prints("ENABLE_METRICS", &config, "true");
    assert_prints("ENABLE_PPROF", &config, "false");
    assert_prints("HTTP_PORT", &config, "81");
    assert_prints("PPROF_TOKEN", &config, "");
    assert_true(store("PPROF_TOKEN", STR("0123456789abcdef"), &config));
    assert_prints("PPROF_TOKEN", &config, "***");
    assert_true(store("HTTP_HOST", STR("::1"), &config));
    assert_prints("HTTP_HOST", &config, "::1");
    char tokens[CONFIG_LIST_BYTES] = "0123456789abcdef";
    assert_option_prints(&tokens_option, tokens, "***");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices_are_the_enums),
        cmocka_unit_test(test_refused_text_leaves_the_field),
        cmocka_unit_test(test_numbers_at_their_edges),
        cmocka_unit_test(test_secret_is_long_enough_and_printable),
        cmocka_unit_test(test_secrets_come_with_commas_or_lines),
        cmocka_unit_test(test_secrets_that_fit),
        cmocka_unit_test(test_folder_takes_any_name_without_control_bytes),
        cmocka_unit_test(test_text_has_its_own_length),
        cmocka_unit_test(test_allowed_names_the_unit),
        cmocka_unit_test(test_print_by_kind),
    };
    return cmocka_run_group_tests_name("config_value", tests, NULL, NULL);
}
