/* SPDX-License-Identifier: MIT
 *
 * test_http1.c - requests and answers on one connection: keep-alive, pipelining, bodies, streams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/http1/http1_rig.h"
#include "test/unit/support/render_metrics.h"

static struct http_request *parked[64]; /* in the order they came */
static size_t parked_count;

/* --- handlers --- */

/* The answer tells the target, and the body behind it. */
static void handle_echo(struct http_request *req, void *arg)
{
    (void)arg;
    struct buf body;
    buf_init(&body, 2 * BIG_BYTES);
    buf_append_str(&body, req->target);
    buf_append_cstr(&body, "=");
    buf_append_str(&body, req->body);
    http_fixture_respond(req, buf_str(&body));
    buf_deinit(&body);
}

static void handle_park(struct http_request *req, void *arg)
{
    (void)arg;
    parked[parked_count++] = req;
    task_park(&req->task, "parked");
}

static size_t pieces_left;

static void pump(struct http_request *req)
{
    static char piece[50000];
    memset(piece, 's', sizeof(piece));
    while (pieces_left > 0) {
        pieces_left--;
        if (!http_stream_write(req, (struct str){piece, sizeof(piece)})) {
            return;
        }
    }
    http_stream_end(req);
}

static void handle_stream(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, pump);
    pump(req);
}

static void handle_fields(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_header headers[] = {
        {STR("X-Good"), STR("yes")},
        {STR("X-Bad"), STR("a\r\nX-Split: yes")},
    };
    const struct http_response response = {.status = 204, .headers = headers, .header_count = 2};
    http_respond(req, &response);
}

static int setup_with(const struct http_limits *limits)
{
    log_set_level(LOG_ERROR);
    parked_count = 0;
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/echo", handle_echo, 0);
    http_fixture_add(&f, METHOD_POST, "/echo", handle_echo, ROUTE_BODY);
    http_fixture_add(&f, METHOD_POST, "/drop", handle_echo, 0);
    http_fixture_add(&f, METHOD_GET, "/park", handle_park, 0);
    http_fixture_add(&f, METHOD_GET, "/big", handle_big, 0);
    http_fixture_add(&f, METHOD_GET, "/stream", handle_stream, 0);
    http_fixture_add(&f, METHOD_GET, "/fields", handle_fields, 0);
    open_and_connect(limits);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    return setup_with(&limits);
}

static void await_parked(size_t count)
{
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    while (parked_count < count) {
        assert_true(clock_now_ns() < end_ns);
        peer_wait(f.loop);
    }
}

/* offset_of finds where `text` came, so that an order can be asserted. */
static size_t offset_of(const char *text)
{
    const char *at = memmem(peer.in.data, peer.in.len, text, strlen(text));
    assert_non_null(at);
    return (size_t)(at - peer.in.data);
}

/* --- requests --- */

static void test_an_answer_to_the_byte(void **state)
{
    (void)state;
    send_text(GET("/echo?x=1"));
    peer_await(&peer, "/echo?x=1=", 1);
    const struct str head = STR("HTTP/1.1 200 OK\r\nDate: ");
    const struct str rest =
        STR("\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n/echo?x=1=");
    assert_int_equal(peer.in.len, head.len + CLOCK_HTTP_BYTES - 1 + rest.len);
    assert_memory_equal(peer.in.data, head.ptr, head.len);
    assert_memory_equal(peer.in.data + peer.in.len - rest.len, rest.ptr, rest.len);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    send_text(GET("/echo?1") GET("/park") GET("/echo?2") GET("/park"));
    await_parked(1);
    peer_receive(&peer);
    assert_true(peer_has(&peer, "/echo?1="));
    assert_false(peer_has(&peer, "/echo?2="));
    http_fixture_respond(parked[0], STR("first parked"));
    await_parked(2);
    peer_await(&peer, "/echo?2=", 1);
    http_fixture_respond(parked[1], STR("second parked"));
    peer_await(&peer, "second parked", 1);
    assert_true(offset_of("/echo?1=") < offset_of("first parked"));
    assert_true(offset_of("first parked") < offset_of("/echo?2="));
    assert_true(offset_of("/echo?2=") < offset_of("second parked"));
}

static void test_a_thousand_in_one_write(void **state)
{
    (void)state;
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        buf_append_cstr(&bytes, GET("/echo"));
    }
    peer_send(&peer, buf_str(&bytes));
    peer_await(&peer, "/echo=", 1000);
    buf_deinit(&bytes);
}

static void test_each_byte_by_itself(void **state)
{
    (void)state;
    const struct str bytes = STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                                 "3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n" GET("/echo?2"));
    for (size_t i = 0; i < bytes.len; i++) {
        peer_send(&peer, (struct str){bytes.ptr + i, 1});
        peer_turn(f.loop, 2);
    }
    peer_await(&peer, "/echo?2=", 1);
    assert_true(peer_has(&peer, "/echo=abcde"));
}

static void test_a_head_cut_before_a_big_body(void **state)
{
    (void)state;
    static char body[300000];
    memset(body, 'x', sizeof(body));
    send_text("POST /echo HTTP/1.1\r\n" H "Content-Length: 300000\r\nX: ");
    peer_turn(f.loop, 3);
    send_text("y\r\n\r\n");
    peer_send(&peer, (struct str){body, sizeof(body)});
    peer_await(&peer, "/echo=x", 1);
    send_text(GET("/echo?next"));
    peer_await(&peer, "/echo?next=", 1);
}

static void test_a_body_behind_a_parked_request(void **state)
{
    (void)state;
    static char body[500000];
    memset(body, 'x', sizeof(body));
    send_text(GET("/park") "POST /echo HTTP/1.1\r\n" H "Content-Length: 500000\r\n\r\n");
    await_parked(1);
    /* more than is kept: the rest stays with the kernel until the answer */
    const ssize_t sent = send(peer.fd, body, sizeof(body), MSG_DONTWAIT);
    assert_true(sent > 0);
    peer_turn(f.loop, 20);
    http_fixture_respond(parked[0], STR("parked"));
    peer_send(&peer, (struct str){body, sizeof(body) - (size_t)sent});
    peer_await(&peer, "/echo=x", 1);
}

static void test_a_body_that_no_handler_wants_is_dropped(void **state)
{
    (void)state;
    send_text("POST /drop HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello" GET("/echo?next"));
    peer_await(&peer, "/echo?next=", 1);
    assert_false(peer_has(&peer, "hello"));
    send_text("POST /nowhere HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello" GET("/echo?last"));
    peer_await(&peer, "/echo?last=", 1);
    assert_true(peer_has(&peer, "404 Not Found"));
}

static void test_continue_only_where_the_body_is_wanted(void **state)
{
    (void)state;
    send_text("POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    peer_await(&peer, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    send_text("hi");
    peer_await(&peer, "/echo=hi", 1);
    send_text("POST /drop HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    peer_await_end(&peer); /* the body may come or not, so nothing can follow */
    assert_int_equal(peer_count(&peer, "100 Continue"), 1);
    assert_true(peer_has(&peer, "Connection: close\r\n"));
}

static void test_when_it_stays_open(void **state)
{
    static const struct {
        const char *request;
        bool stays;
    } cases[] = {
        {"GET /echo HTTP/1.1\r\n" H "\r\n", true},
        {"GET /echo HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
        {"GET /echo HTTP/1.1\r\n" H "Connection: foo, CLOSE\r\n\r\n", false},
        {"GET /echo HTTP/1.0\r\n\r\n", false},
        {"GET /echo HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET /stream HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        send_text(cases[i].request);
        if (cases[i].stays) {
            send_text(GET("/echo?next"));
            peer_await(&peer, "/echo?next=", 1);
        } else {
            peer_await_end(&peer);
            assert_int_equal(peer.error, 0);
        }
        (void)teardown(state);
        (void)setup(state);
    }
}

static void test_what_is_pipelined_behind_close_is_not_run(void **state)
{
    (void)state;
    send_text("GET /echo?1 HTTP/1.1\r\n" H "Connection: close\r\n\r\n" GET("/echo?2"));
    peer_await_end(&peer);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 200"), 1);
    assert_int_equal(peer.error, 0);
}

static void test_head_and_options_and_unknown(void **state)
{
    (void)state;
    send_text("HEAD /echo HTTP/1.1\r\n" H "\r\nHEAD /stream HTTP/1.1\r\n" H "\r\n");
    peer_await(&peer, "Transfer-Encoding: chunked\r\n\r\n", 1);
    assert_true(peer_has(&peer, "Content-Length: 6\r\n\r\nHTTP/1.1"));
    send_text("OPTIONS /echo HTTP/1.1\r\n" H "\r\nOPTIONS * HTTP/1.1\r\n" H "\r\n");
    peer_await(&peer, "Allow: GET, HEAD, POST, OPTIONS\r\n\r\n", 2);
    send_text("PUT /echo HTTP/1.1\r\n" H "\r\n" GET("/nowhere") GET("/echo?end"));
    peer_await(&peer, "/echo?end=", 1);
    assert_true(peer_has(&peer, "HTTP/1.1 405 "));
    assert_true(peer_has(&peer, "HTTP/1.1 404 "));
}

static void test_a_field_that_would_split_the_answer_is_left_out(void **state)
{
    (void)state;
    send_text(GET("/fields"));
    peer_await(&peer, "\r\n\r\n", 1);
    assert_true(peer_has(&peer, "X-Good: yes\r\n"));
    assert_false(peer_has(&peer, "X-Split"));
    assert_false(peer_has(&peer, "Content-Length")); /* 204 */
}

/* --- big answers and streams --- */

static void test_a_stream_waits_for_a_slow_peer(void **state)
{
    (void)state;
    pieces_left = 200;
    send_text(GET("/stream"));
    peer_turn(f.loop, 50);
    assert_true(pieces_left > 0);
    peer_await(&peer, "\r\n0\r\n\r\n", 1);
    assert_int_equal(pieces_left, 0);
    assert_int_equal(peer_count(&peer, "c350\r\n"), 200);
    send_text(GET("/echo?next"));
    peer_await(&peer, "/echo?next=", 1);
}

static void test_pipelined_big_answers_wait_for_a_slow_peer(void **state)
{
    (void)state;
    send_text(GET("/big") GET("/big") GET("/echo?end"));
    peer_turn(f.loop, 20);
    assert_int_equal(task_count(), 0);
    peer_await(&peer, "/echo?end=", 1);
    assert_true(peer.in.len > 2 * BIG_BYTES);
}

/* A peer that reads slowly has sent its requests in time. */
static void test_a_clogged_connection_is_no_slow_head(void **state)
{
    struct http_limits limits = http_fixture_limits();
    (void)teardown(state);
    limits.header_timeout_ms = 1;
    (void)setup_with(&limits);
    send_text(GET("/big") GET("/big") GET("/echo?end"));
    const uint64_t end_ms = uv_now(loop_uv(f.loop)) + 3 * (uint64_t)WHEEL_TICK_MS;
    while (uv_now(loop_uv(f.loop)) < end_ms) {
        peer_wait(f.loop); /* until the wheel has come round, with the peer reading nothing */
    }
    peer_await(&peer, "/echo?end=", 1);
}

static void test_metrics_count_by_route_and_status(void **state)
{
    (void)state;
    struct buf text;
    send_text(GET("/echo") GET("/echo") "HEAD /echo HTTP/1.1\r\n" H "\r\n" GET("/x") GET("/y"));
    peer_await(&peer, "HTTP/1.1 404 ", 2);
    buf_init(&text, 1 << 20);
    render_metrics(f.metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    const char *const lines[] = {
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/"
        "echo\","
        "http_response_status_code=\"200\"} 2\n",
        "http_server_request_duration_seconds_count{http_request_method=\"HEAD\",http_route=\"/"
        "echo\","
        "http_response_status_code=\"200\"} 1\n",
        "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"\","
        "http_response_status_code=\"404\"} 2\n",
        "http_server_active_requests 0\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        if (strstr(text.data, lines[i]) == NULL) {
            fail_msg("missing: %s", lines[i]);
        }
    }
    buf_deinit(&text);
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(test_an_answer_to_the_byte),
        WITH_PEER(test_pipelined_requests_are_answered_in_order),
        WITH_PEER(test_a_thousand_in_one_write),
        WITH_PEER(test_each_byte_by_itself),
        WITH_PEER(test_a_head_cut_before_a_big_body),
        WITH_PEER(test_a_body_behind_a_parked_request),
        WITH_PEER(test_a_body_that_no_handler_wants_is_dropped),
        WITH_PEER(test_continue_only_where_the_body_is_wanted),
        WITH_PEER(test_when_it_stays_open),
        WITH_PEER(test_what_is_pipelined_behind_close_is_not_run),
        WITH_PEER(test_head_and_options_and_unknown),
        WITH_PEER(test_a_field_that_would_split_the_answer_is_left_out),
        WITH_PEER(test_a_stream_waits_for_a_slow_peer),
        WITH_PEER(test_pipelined_big_answers_wait_for_a_slow_peer),
        WITH_PEER(test_a_clogged_connection_is_no_slow_head),
        WITH_PEER(test_metrics_count_by_route_and_status),
    };
    return cmocka_run_group_tests_name("http1", tests, NULL, NULL);
}
