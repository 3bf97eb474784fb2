/* SPDX-License-Identifier: MIT
 *
 * test_config_rules.c - tokens for listeners that others reach, one address for one listener.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "config/config_rules.h"

static const struct config base = {
    .http_host = "0.0.0.0",
    .http_port = 8080,
    .enable_metrics = true,
    .metrics_host = "127.0.0.1",
    .metrics_port = 9090,
    .enable_pprof = true,
    .pprof_host = "127.0.0.1",
    .pprof_port = 6060,
};

static void assert_allowed(const struct config *config)
{
    char error[CONFIG_ERROR_BYTES] = "";
    assert_true(config_rules_check(config, error));
    assert_string_equal(error, "");
}

static void assert_refused(const struct config *config, const char *expected)
{
    char error[CONFIG_ERROR_BYTES];
    assert_false(config_rules_check(config, error));
    assert_non_null(strstr(error, expected));
}

static void test_a_reachable_pprof_needs_a_token(void **state)
{
    (void)state;
    struct config config = base;
    assert_allowed(&config);
    (void)snprintf(config.pprof_host, sizeof(config.pprof_host), "0.0.0.0");
    assert_refused(&config, "PPROF_TOKEN: \"\" is not allowed: PPROF_HOST \"0.0.0.0\"");
    config.enable_pprof = false;
    assert_allowed(&config);
    config.enable_pprof = true;
    (void)snprintf(config.pprof_token, sizeof(config.pprof_token), "0123456789abcdef");
    assert_allowed(&config);
}

static void test_enabled_listeners_do_not_share(void **state)
{
    (void)state;
    struct config config = base;
    config.metrics_port = 8080;
    assert_refused(&config, "METRICS_PORT: \"8080\" is not allowed: a port of its own, or 0; "
                            "HTTP_HOST and HTTP_PORT take 0.0.0.0 port 8080");
    config.enable_metrics = false;
    assert_allowed(&config);
    config = base;
    config.pprof_port = 9090;
    assert_refused(&config, "PPROF_PORT: \"9090\"");
    (void)snprintf(config.pprof_host, sizeof(config.pprof_host), "127.0.0.2");
    assert_allowed(&config);
}

static void test_free_ports_never_collide(void **state)
{
    (void)state;
    struct config config = base;
    config.http_port = 0;
    config.metrics_port = 0;
    config.pprof_port = 0;
    assert_allowed(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reachable_pprof_needs_a_token),
        cmocka_unit_test(test_enabled_listeners_do_not_share),
        cmocka_unit_test(test_free_ports_never_collide),
    };
    return cmocka_run_group_tests_name("config_rules", tests, NULL, NULL);
}
