/* SPDX-License-Identifier: MIT
 *
 * test_health.c - what the health routes say while the server runs and while it drains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/diagnostics/health.h"
#include "test/unit/support/http_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct http_fixture f;
static struct peer peer;
static struct health health;
static atomic_bool is_draining;

/* Handlers that hold the loop for a while before they look. */
static void hold(void)
{
    const uint64_t end_ns = clock_now_ns() + 3 * NS_PER_MS;
    while (clock_now_ns() < end_ns) {
    }
}

static void handle_slow_live(struct http_request *req, void *arg)
{
    hold();
    health_handle_live(req, arg);
}

static void handle_slow_ready(struct http_request *req, void *arg)
{
    hold();
    health_handle_ready(req, arg);
}

static int setup(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    is_draining = false;
    health = (struct health){
        .version = "1.0\"x", .start_ns = clock_now_ns(), .is_draining = &is_draining};
    http_fixture_init(&f);
    assert_int_equal(router_add(f.router, METHOD_GET, "/health", health_handle, &health, 0), 0);
    assert_int_equal(
        router_add(f.router, METHOD_GET, "/health/live", health_handle_live, &health, 0), 0);
    assert_int_equal(
        router_add(f.router, METHOD_GET, "/health/ready", health_handle_ready, &health, 0), 0);
    assert_int_equal(router_add(f.router, METHOD_GET, "/slow/live", handle_slow_live, &health, 0),
                     0);
    assert_int_equal(router_add(f.router, METHOD_GET, "/slow/ready", handle_slow_ready, &health, 0),
                     0);
    http_fixture_open(&f, &limits);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_deinit(&peer);
    http_fixture_deinit(&f);
    return 0;
}

static void test_while_it_runs(void **state)
{
    (void)state;
    peer_send(&peer, STR(GET("/health") GET("/health/live") GET("/health/ready")));
    peer_await(&peer, "HTTP/1.1 200 OK\r\n", 3);
    peer_await(&peer, "}\n", 3);
    assert_true(peer_has(&peer, "\r\n\r\n{\"status\":\"ok\",\"version\":\"1.0\\\"x\",\"uptime_"));
    assert_int_equal(peer_count(&peer, "Content-Type: application/json\r\n"), 3);
    assert_int_equal(peer_count(&peer, "Cache-Control: no-store\r\n"), 3);
}

static void test_while_it_drains(void **state)
{
    (void)state;
    is_draining = true;
    peer_send(&peer, STR(GET("/health") GET("/health/live") GET("/health/ready")));
    peer_await(&peer, "}\n", 3);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 503 "), 2);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 200 "), 1);
    assert_int_equal(peer_count(&peer, "{\"status\":\"draining\""), 2);
}

/* What a request sees of a loop that a callback holds: here its own turn, which has lasted since it
 * began. */
static void test_of_a_loop_that_is_held(void **state)
{
    (void)state;
    health.work = f.loop;
    health.held_warn_ms = 1;
    health.held_fail_ms = 1000000;
    peer_send(&peer, STR(GET("/slow/live") GET("/slow/ready")));
    peer_await(&peer, "}\n", 2);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 200 "), 2);
    assert_int_equal(peer_count(&peer, "\"work_loop\":\"held\",\"held_ms\":"), 2);
    assert_int_equal(peer_count(&peer, "{\"status\":\"degraded\","), 1);
}

static void test_of_a_loop_that_is_held_for_too_long(void **state)
{
    (void)state;
    health.work = f.loop;
    health.held_fail_ms = 1;
    peer_send(&peer, STR(GET("/slow/live") GET("/slow/ready")));
    peer_await(&peer, "}\n", 2);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 503 "), 2);
    assert_int_equal(peer_count(&peer, "{\"status\":\"held\","), 1);
    assert_int_equal(peer_count(&peer, "{\"status\":\"unavailable\","), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_while_it_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_while_it_drains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_a_loop_that_is_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_a_loop_that_is_held_for_too_long, setup, teardown),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
