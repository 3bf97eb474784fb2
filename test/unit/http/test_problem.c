/* SPDX-License-Identifier: MIT
 *
 * test_problem.c - problem details: their members, the fields beside them, and texts that need
 * escapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "core/base/json.h"
#include "core/http/problem.h"
#include "test/unit/support/http_fixture.h"
#include <cmocka.h>

static struct http_fixture f;
static struct peer peer;
static struct problem problem;

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    problem_respond(req, &problem);
}

static int set_up(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/", handle, 0);
    http_fixture_open(&f, &limits);
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

#define TRACE "0af7651916cd43dd8448eb211c80319c"

static void ask(void)
{
    peer_send(&peer, STR("GET / HTTP/1.1\r\nHost: a\r\n"
                         "traceparent: 00-" TRACE "-b7ad6b7169203331-01\r\n\r\n"));
    peer_await(&peer, "\"}\n", 1);
}

static void test_a_status_and_a_detail(void **state)
{
    (void)state;
    problem = (struct problem){.status = 404, .detail = "no \"such\" thing"};
    ask();
    assert_true(peer_has(&peer, "HTTP/1.1 404 Not Found\r\n"));
    assert_true(peer_has(&peer, "Content-Type: application/problem+json\r\n"));
    assert_false(peer_has(&peer, "Retry-After"));
    assert_true(peer_has(&peer, "\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Not Found\","
                                "\"status\":404,\"detail\":\"no \\\"such\\\" thing\","
                                "\"trace_id\":\"" TRACE "\"}\n"));
}

static void test_errors_of_fields(void **state)
{
    (void)state;
    static const struct field_error errors[] = {{STR("a/b"), "must be a number"},
                                                {STR("caf\xc3\xa9\n"), "is unknown"}};
    problem = (struct problem){.status = 422, .errors = errors, .error_count = 2};
    ask();
    assert_true(peer_has(&peer, "\"status\":422,\"errors\":["
                                "{\"field\":\"a/b\",\"message\":\"must be a number\"},"
                                "{\"field\":\"caf\xc3\xa9\\n\",\"message\":\"is unknown\"}],"
                                "\"trace_id\":"));
    assert_false(peer_has(&peer, "\"detail\""));
}

static void test_fields_beside_it(void **state)
{
    (void)state;
    static const struct http_header header = {STR("WWW-Authenticate"), STR("Bearer")};
    problem = (struct problem){.status = 503, .retry_after_s = 30, .header = &header};
    ask();
    assert_true(peer_has(&peer, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_true(peer_has(&peer, "Retry-After: 30\r\n"));
    assert_true(peer_has(&peer, "WWW-Authenticate: Bearer\r\n"));
}

/* More than a body may have: the status alone is sent, as text. */
static void test_one_that_is_too_long(void **state)
{
    (void)state;
    static char detail[70000];
    memset(detail, 'x', sizeof(detail) - 1);
    problem = (struct problem){.status = 409, .detail = detail};
    peer_send(&peer, STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    peer_await(&peer, "409 Conflict\n", 1);
    assert_true(peer_has(&peer, "HTTP/1.1 409 Conflict\r\n"));
    assert_true(peer_has(&peer, "Content-Type: text/plain"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_status_and_a_detail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors_of_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fields_beside_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_too_long, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
