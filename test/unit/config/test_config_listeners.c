/* SPDX-License-Identifier: MIT
 *
 * test_config_listeners.c - what a configuration says of each row of the table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>

#include "config/config_listeners.h"

static const struct config config = {
    .http_host = "0.0.0.0",
    .http_port = 8080,
    .grpc_host = "::",
    .grpc_port = 65535,
    .metrics_host = "localhost",
    .metrics_port = 9090,
    .enable_pprof = true,
    .pprof_host = "10.0.0.1",
    .pprof_port = 6060,
    .max_connections = 100,
    .diagnostics_max_connections = 7,
};

static const struct config_listener *row(enum config_listener_id id)
{
    return &config_listeners[id];
}

static void test_a_row_reads_its_own_variables(void **state)
{
    static const struct {
        const char *name;
        const char *host;
        uint16_t port;
        size_t connections;
        bool is_on;
        bool is_local;
    } expected[CONFIG_LISTENER_COUNT] = {
        {"http", "0.0.0.0", 8080, 100, true, false},
        {"grpc", "::", 65535, 100, true, false},
        {"metrics", "localhost", 9090, 7, false, true},
        {"pprof", "10.0.0.1", 6060, 7, true, false},
    };
    (void)state;
    for (size_t i = 0; i < CONFIG_LISTENER_COUNT; i++) {
        const struct config_listener *r = &config_listeners[i];
        assert_string_equal(r->name, expected[i].name);
        assert_string_equal(config_listener_host(r, &config), expected[i].host);
        assert_int_equal(config_listener_port(r, &config), expected[i].port);
        assert_int_equal(config_listener_max_connections(r, &config), expected[i].connections);
        assert_int_equal(config_listener_is_on(r, &config), expected[i].is_on);
        assert_int_equal(config_listener_is_local(r, &config), expected[i].is_local);
    }
}

static void test_a_token_is_lacking_only_where_others_connect(void **state)
{
    (void)state;
    struct config other = config;
    assert_false(config_listener_lacks_token(row(CONFIG_LISTENER_HTTP), &other));
    assert_true(config_listener_lacks_token(row(CONFIG_LISTENER_PPROF), &other));
    other.pprof_token[0] = 't';
    assert_false(config_listener_lacks_token(row(CONFIG_LISTENER_PPROF), &other));
    other = config;
    other.enable_pprof = false;
    assert_false(config_listener_lacks_token(row(CONFIG_LISTENER_PPROF), &other));
    other = config;
    (void)snprintf(other.pprof_host, sizeof(other.pprof_host), "::1");
    assert_false(config_listener_lacks_token(row(CONFIG_LISTENER_PPROF), &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_row_reads_its_own_variables),
        cmocka_unit_test(test_a_token_is_lacking_only_where_others_connect),
    };
    return cmocka_run_group_tests_name("config_listeners", tests, NULL, NULL);
}
