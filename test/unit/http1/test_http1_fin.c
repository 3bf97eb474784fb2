/* SPDX-License-Identifier: MIT
 *
 * test_http1_fin.c - what a FIN means behind, within and before requests; and what ends those that
 * are waited for behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/http1/http1_rig.h"

static struct http_request *parked;
static uint64_t cancelled_count;
static uint64_t writable_count;

/* --- handlers --- */

static void on_cancel(struct http_request *req, int status)
{
    assert_int_equal(status, UV_ECANCELED);
    cancelled_count++;
    parked = NULL;
    http_respond_error(req, 500, NULL); /* nobody reads it */
}

static void handle_late(struct http_request *req, void *arg)
{
    (void)arg;
    parked = req;
    http_on_cancel(req, on_cancel);
}

static void handle_long_by_parameter(struct http_request *req, void *arg)
{
    http_be_long(req);
    handle_late(req, arg);
}

static void on_writable(struct http_request *req)
{
    writable_count++;
    http_stream_end(req);
}

static void handle_stream(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, on_writable);
    http_on_cancel(req, on_cancel);
    pump_until_slow(req);
}

static int setup(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    parked = NULL;
    cancelled_count = 0;
    writable_count = 0;
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/late", handle_late, 0);
    http_fixture_add(&f, METHOD_POST, "/late", handle_late, ROUTE_BODY);
    http_fixture_add(&f, METHOD_GET, "/long", handle_late, ROUTE_LONG);
    http_fixture_add(&f, METHOD_GET, "/by-parameter", handle_long_by_parameter, 0);
    http_fixture_add(&f, METHOD_GET, "/hello", handle_hello, 0);
    http_fixture_add(&f, METHOD_GET, "/big", handle_big, 0);
    http_fixture_add(&f, METHOD_GET, "/stream", handle_stream, 0);
    open_and_connect(&limits);
    return 0;
}

/* send_all sends requests with a FIN behind them, and waits until they have been read. */
static void send_all(const char *requests)
{
    send_text(requests);
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_u64(f.loop, &f.server.listener.stats.received_bytes, strlen(requests));
    peer_turn(f.loop, 3);
}

/* assert_end waits for the server's FIN, and for its end. */
static void assert_end(size_t answer_count)
{
    peer_await_end(&peer);
    assert_int_equal(peer.error, 0);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 200 OK"), answer_count);
    assert_int_equal(peer_count(&peer, "HTTP/1.1"), answer_count);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
}

/* --- behind whole requests --- */

static void test_all_are_answered(void **state)
{
    (void)state;
    send_all(GET("/hello") GET("/late") GET("/hello"));
    assert_int_equal(cancelled_count, 0);
    http_fixture_respond(parked, STR("late"));
    assert_end(3);
    assert_true(peer_has(&peer, "late"));
}

static void test_a_stream_goes_on(void **state)
{
    (void)state;
    send_all(GET("/stream"));
    while (writable_count == 0) {
        peer_receive(&peer);
        peer_wait(f.loop);
    }
    assert_end(1);
    assert_int_equal(cancelled_count, 0);
}

static void test_answers_that_wait_for_their_reader(void **state)
{
    (void)state;
    send_all(GET("/big") GET("/big") GET("/hello"));
    assert_end(3);
    assert_true(peer_has(&peer, "hello"));
}

static void test_a_reset_behind_it(void **state)
{
    (void)state;
    send_all(GET("/late"));
    assert_int_equal(cancelled_count, 0);
    peer_reset(&peer);
    peer_await_u64(f.loop, &cancelled_count, 1);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
}

/* --- within a request, and without one --- */

static void test_within_a_body(void **state)
{
    (void)state;
    send_all(GET("/hello") "POST /late HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
    assert_end(1);
    assert_null(parked);
    assert_int_equal(task_count(), 0);
}

static void test_within_a_body_that_waits(void **state)
{
    (void)state;
    send_all(GET("/late") "POST /late HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
    http_fixture_respond(parked, STR("late"));
    assert_end(1);
    assert_int_equal(task_count(), 0);
}

static void test_within_a_head(void **state)
{
    (void)state;
    send_all(GET("/late") "GET /hello HTTP/1.1\r\n");
    http_fixture_respond(parked, STR("late"));
    assert_end(1);
}

static void test_alone(void **state)
{
    (void)state;
    send_all("");
    assert_end(0);
}

/* --- behind what takes as long as its client stays --- */

static void test_it_ends_what_is_long(void **state)
{
    (void)state;
    send_all(GET("/long") GET("/hello"));
    assert_int_equal(cancelled_count, 1);
    assert_end(0);
}

static void test_it_ends_what_is_long_by_its_parameters(void **state)
{
    (void)state;
    send_all(GET("/by-parameter"));
    assert_int_equal(cancelled_count, 1);
    assert_end(0);
}

static void test_it_ends_what_is_long_and_begins_later(void **state)
{
    (void)state;
    send_all(GET("/late") GET("/long") GET("/hello"));
    http_fixture_respond(parked, STR("late"));
    assert_end(1);
    assert_int_equal(cancelled_count, 1);
}

/* More is pipelined than is read. */
static void test_it_ends_what_is_long_behind_unread_bytes(void **state)
{
    (void)state;
    static char unread[90000];
    memset(unread, 'u', sizeof(unread));
    send_text(GET("/long"));
    peer_send(&peer, (struct str){unread, sizeof(unread)});
    (void)shutdown(peer.fd, SHUT_WR);
    peer_await_u64(f.loop, &cancelled_count, 1);
    assert_end(0);
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(test_all_are_answered),
        WITH_PEER(test_a_stream_goes_on),
        WITH_PEER(test_answers_that_wait_for_their_reader),
        WITH_PEER(test_a_reset_behind_it),
        WITH_PEER(test_within_a_body),
        WITH_PEER(test_within_a_body_that_waits),
        WITH_PEER(test_within_a_head),
        WITH_PEER(test_alone),
        WITH_PEER(test_it_ends_what_is_long),
        WITH_PEER(test_it_ends_what_is_long_by_its_parameters),
        WITH_PEER(test_it_ends_what_is_long_and_begins_later),
        WITH_PEER(test_it_ends_what_is_long_behind_unread_bytes),
    };
    return cmocka_run_group_tests_name("http1_fin", tests, NULL, NULL);
}
