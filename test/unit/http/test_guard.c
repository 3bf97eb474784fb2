/* SPDX-License-Identifier: MIT
 *
 * test_guard.c - what the listeners of diagnostics refuse before any handler runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/http/guard.h"
#include "test/unit/support/http_fixture.h"
#include <cmocka.h>

static struct http_fixture f;
static struct peer peer;

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    if (guard_diagnostics(req)) {
        http_fixture_respond(req, STR("let in\n"));
    }
}

static int set_up(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/x", handle, 0);
    http_fixture_open(&f, &limits);
    f.server.is_host_checked = true;
    f.server.allowed_hosts = STR("toq.example");
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    peer_deinit(&peer);
    http_fixture_deinit(&f);
    return 0;
}

/* ask sends a request with these lines, and returns the status of its answer. */
static int ask(const char *target, const char *lines)
{
    char text[512];
    buf_clear(&peer.in);
    const int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n%s\r\n", target, lines);
    peer_send(&peer, (struct str){text, (size_t)len});
    peer_await(&peer, "\n", 1);
    peer_await(&peer, "\r\n\r\n", 1);
    int status = 0;
    assert_true(sscanf(peer.in.data, "HTTP/1.1 %d", &status) == 1);
    peer_await(&peer, status == 200 ? "let in\n" : status == 403 ? "403 " : "400 ", 1);
    return status;
}

/* A name that somebody else's DNS may point here is none of ours. */
static void test_hosts(void **state)
{
    (void)state;
    assert_int_equal(ask("/x", "Host: localhost:6060\r\n"), 200);
    assert_int_equal(ask("/x", "Host: 10.0.0.1\r\n"), 200);
    assert_int_equal(ask("/x", "Host: [::1]:6060\r\n"), 200);
    assert_int_equal(ask("/x", "Host: toq.example\r\n"), 200);
    assert_int_equal(ask("/x", "Host: evil.example\r\n"), 403);
    assert_int_equal(ask("/x", "Host: localhost.evil.example\r\n"), 403);
}

static void test_hosts_where_they_are_not_checked(void **state)
{
    (void)state;
    f.server.is_host_checked = false;
    assert_int_equal(ask("/x", "Host: evil.example\r\n"), 200);
}

/* What a page of another site asks for is refused; a link from another port of this site is not. */
static void test_pages_of_other_sites(void **state)
{
    (void)state;
    assert_int_equal(ask("/x", "Host: localhost\r\nSec-Fetch-Site: same-origin\r\n"
                               "Sec-Fetch-Mode: cors\r\n"),
                     200);
    assert_int_equal(ask("/x", "Host: localhost\r\nSec-Fetch-Site: none\r\n"
                               "Sec-Fetch-Mode: navigate\r\n"),
                     200);
    assert_int_equal(ask("/x", "Host: localhost\r\nSec-Fetch-Site: same-site\r\n"
                               "Sec-Fetch-Mode: navigate\r\n"),
                     200);
    assert_int_equal(ask("/x", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"
                               "Sec-Fetch-Mode: navigate\r\n"),
                     403);
    assert_int_equal(ask("/x", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"
                               "Sec-Fetch-Mode: no-cors\r\n"),
                     403);
    assert_int_equal(ask("/x", "Host: localhost\r\nSec-Fetch-Site: same-site\r\n"
                               "Sec-Fetch-Mode: cors\r\n"),
                     403);
}

static void test_parameters_given_twice(void **state)
{
    (void)state;
    assert_int_equal(ask("/x?a=1&b=1", "Host: localhost\r\n"), 200);
    assert_int_equal(ask("/x?a=1&b=1&a=1", "Host: localhost\r\n"), 400);
    assert_int_equal(ask("/x?a=1&%61=2", "Host: localhost\r\n"), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hosts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hosts_where_they_are_not_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages_of_other_sites, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parameters_given_twice, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
