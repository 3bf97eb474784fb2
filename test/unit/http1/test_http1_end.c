/* SPDX-License-Identifier: MIT
 *
 * test_http1_end.c - requests that do not end as they should: the peer leaves, a deadline or a
 * timeout passes, the server drains, in whatever state the request is.
 *
 * Tests: core/http/request.c, core/serve/http_server.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <fcntl.h>

#include "test/unit/http1/http1_rig.h"
#include "test/unit/support/render_metrics.h"

static struct http_request *parked;
static uint64_t parked_count;
static uint64_t cancelled_count;
static int cancelled_status;
static uint64_t writable_count;

/* --- handlers --- */

static void note_cancel(struct http_request *req, int status)
{
    assert_true(http_is_cancelled(req));
    assert_ptr_equal(task_current(), &req->task);
    cancelled_count++;
    cancelled_status = status;
}

static void cancel_and_respond(struct http_request *req, int status)
{
    note_cancel(req, status);
    http_fixture_respond(req, STR("nobody reads this"));
    parked = NULL;
}

static void park(struct http_request *req, http_cancel_fn on_cancel)
{
    parked = req;
    parked_count++;
    http_on_cancel(req, on_cancel);
}

/* Ends in on_cancel. */
static void handle_prompt(struct http_request *req, void *arg)
{
    (void)arg;
    park(req, cancel_and_respond);
}

/* Ends later, whatever on_cancel says: so it holds its request. */
static void handle_late(struct http_request *req, void *arg)
{
    (void)arg;
    http_hold(req);
    park(req, note_cancel);
}

static void end_late(struct str body)
{
    http_fixture_respond(parked, body);
    http_release(parked);
}

static void handle_deaf(struct http_request *req, void *arg)
{
    (void)arg;
    park(req, NULL);
}

static void pump_again(struct http_request *req)
{
    writable_count++;
    pump_until_slow(req);
}

static void end_stream(struct http_request *req, int status)
{
    note_cancel(req, status);
    assert_true(http_stream_write(req, STR("nobody reads this"))); /* not clogged: dropped */
    http_stream_end(req);
    parked = NULL;
}

static void handle_stream(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, pump_again);
    park(req, end_stream);
    pump_until_slow(req);
}

/* One piece, then nothing. */
static void handle_trickle(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, NULL);
    park(req, end_stream);
    assert_true(http_stream_write(req, STR("first piece")));
}

static void end_events(struct http_request *req)
{
    assert_ptr_equal(task_current(), &req->task);
    assert_true(http_stream_write(req, STR("bye")));
    http_stream_end(req);
    parked = NULL;
}

static void handle_events(struct http_request *req, void *arg)
{
    handle_trickle(req, arg);
    http_on_drain(req, end_events);
}

/* Its connection is closed while it runs. */
static void handle_cut(struct http_request *req, void *arg)
{
    struct http_fixture *fixture = arg;
    (void)conn_set_close_all(&fixture->conns);
    http_fixture_respond(req, STR("nobody reads this"));
}

/* Streams a body where there is none. */
static void handle_no_content(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 204};
    http_stream_start(req, &response, NULL);
    assert_true(http_stream_write(req, STR("HTTP/1.1 200 OK\r\n\r\n")));
    http_stream_end(req);
}

static int setup_with(const struct http_limits *limits)
{
    parked = NULL;
    parked_count = 0;
    cancelled_count = 0;
    writable_count = 0;
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/prompt", handle_prompt, 0);
    http_fixture_add(&f, METHOD_POST, "/prompt", handle_prompt, ROUTE_BODY);
    http_fixture_add(&f, METHOD_GET, "/late", handle_late, 0);
    http_fixture_add(&f, METHOD_GET, "/patient", handle_late, ROUTE_NO_DEADLINE);
    http_fixture_add(&f, METHOD_GET, "/deaf", handle_deaf, 0);
    http_fixture_add(&f, METHOD_GET, "/hello", handle_hello, 0);
    http_fixture_add(&f, METHOD_GET, "/big", handle_big, 0);
    http_fixture_add(&f, METHOD_GET, "/stream", handle_stream, 0);
    http_fixture_add(&f, METHOD_GET, "/trickle", handle_trickle, 0);
    http_fixture_add(&f, METHOD_GET, "/events", handle_events, 0);
    http_fixture_add(&f, METHOD_GET, "/cut", handle_cut, 0);
    http_fixture_add(&f, METHOD_GET, "/no-content", handle_no_content, 0);
    f.access_every = 1; /* the access line needs the peer in every one of these states */
    open_and_connect(limits);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    const struct http_limits limits = http_fixture_limits();
    return setup_with(&limits);
}

/* Every timeout passes at the next tick of the wheel. */
static int setup_hurried(void **state)
{
    (void)state;
    struct http_limits limits = http_fixture_limits();
    limits.header_timeout_ms = 1;
    limits.idle_timeout_ms = 1;
    limits.body_timeout_ms = 1;
    limits.request_timeout_ms = 1;
    return setup_with(&limits);
}

static void start(const char *request)
{
    send_text(request);
    peer_await_u64(f.loop, &parked_count, 1);
}

static void assert_counted(const char *route, int status)
{
    struct buf text;
    struct buf line;
    buf_init(&text, 1 << 20);
    buf_init(&line, 1000);
    buf_printf(&line, "http_route=\"%s\",http_response_status_code=\"%d\"} 1\n", route, status);
    buf_append_char(&line, '\0');
    render_metrics(f.metrics, METRICS_TEXT_0_0_4, &text);
    buf_append_char(&text, '\0');
    if (strstr(text.data, line.data) == NULL) {
        fail_msg("missing: %s", line.data);
    }
    buf_deinit(&line);
    buf_deinit(&text);
}

/* --- the peer leaves --- */

static void test_a_peer_that_leaves_cancels_once(void **state)
{
    (void)state;
    start(GET("/prompt") GET("/hello"));
    peer_reset(&peer);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    assert_int_equal(cancelled_count, 1);
    assert_int_equal(cancelled_status, UV_ECANCELED);
    assert_int_equal(task_count(), 0);
    assert_counted("/prompt", 499);
}

static void test_a_late_answer_to_a_peer_that_left(void **state)
{
    (void)state;
    start(GET("/late"));
    peer_reset(&peer);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    assert_int_equal(cancelled_count, 1);
    assert_int_equal(task_count(), 1);
    end_late(STR("nobody reads this"));
    assert_int_equal(task_count(), 0);
}

static void test_a_cancelled_request_that_nobody_holds_ends(void **state)
{
    (void)state;
    start(GET("/deaf"));
    assert_int_equal(task_count(), 1);
    peer_reset(&peer);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    assert_int_equal(task_count(), 0);
    assert_counted("/deaf", 499);
}

static void test_a_cancelled_request_ends_when_it_is_released(void **state)
{
    (void)state;
    start(GET("/late"));
    peer_reset(&peer);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    assert_int_equal(cancelled_count, 1);
    assert_int_equal(task_count(), 1);
    const struct task_ref ref = http_ref(parked);
    http_release(parked); /* without an answer */
    assert_int_equal(task_count(), 0);
    assert_null(http_from_ref(ref));
}

static void test_a_peer_that_leaves_a_stream(void **state)
{
    (void)state;
    start(GET("/stream"));
    peer_turn(f.loop, 50); /* until the kernel takes no more either */
    const uint64_t writable_before = writable_count;
    peer_reset(&peer);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    assert_int_equal(cancelled_count, 1);
    assert_int_equal(writable_count, writable_before);
    assert_counted("/stream", 200);
}

static void test_a_peer_that_leaves_in_its_body(void **state)
{
    (void)state;
    send_text("POST /prompt HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
    const uint64_t *received = &f.server.listener.stats.received_bytes;
    while (*received == 0) {
        peer_wait(f.loop);
    }
    assert_int_equal(task_count(), 1);
    peer_reset(&peer);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    assert_int_equal(parked_count, 0);
    assert_int_equal(task_count(), 0);
}

static void test_a_connection_closed_under_its_handler(void **state)
{
    (void)state;
    send_text(GET("/cut") GET("/hello"));
    peer_await_u64(f.loop, &f.server.listener.stats.accepted, 1);
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    peer_await_end(&peer);
    assert_int_equal(peer.in.len, 0);
}

static void test_a_connection_closed_under_a_parked_request(void **state)
{
    (void)state;
    start(GET("/late"));
    assert_int_equal(conn_set_close_all(&f.conns), 1);
    assert_int_equal(cancelled_count, 0);
    end_late(STR("before on_close")); /* the connection is closing, nobody knows it yet */
    peer_await_u64(f.loop, &f.server.listener.stats.open, 0);
    assert_int_equal(cancelled_count, 0);
}

static void test_on_writable_comes_when_the_peer_reads(void **state)
{
    (void)state;
    start(GET("/stream"));
    peer_turn(f.loop, 50);
    const uint64_t writable_before = writable_count;
    while (writable_count == writable_before) {
        peer_receive(&peer);
        peer_wait(f.loop);
    }
    http_stream_end(parked);
    peer_await(&peer, "\r\n0\r\n\r\n", 1);
}

/* --- time passes --- */

static void test_a_deadline_answers_for_the_handler(void **state)
{
    (void)state;
    start(GET("/late") GET("/hello"));
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "HTTP/1.1 503 "));
    assert_true(peer_has(&peer, "deadline passed"));
    assert_true(peer_has(&peer, "Retry-After: 1\r\n"));
    assert_true(peer_has(&peer, "Connection: close\r\n"));
    assert_false(peer_has(&peer, "hello")); /* nothing is run behind it */
    assert_int_equal(cancelled_count, 1);
    assert_int_equal(cancelled_status, UV_ETIMEDOUT);
    end_late(STR("too late"));
    assert_counted("/late", 503);
}

static void test_a_deadline_and_an_answer_in_on_cancel(void **state)
{
    (void)state;
    start(GET("/prompt"));
    peer_await_end(&peer);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 "), 1);
    assert_int_equal(task_count(), 0);
}

static void test_a_deadline_breaks_a_stream_off(void **state)
{
    (void)state;
    start(GET("/trickle"));
    peer_await_end(&peer);
    assert_false(peer_has(&peer, "\r\n0\r\n"));
    assert_int_equal(cancelled_status, UV_ETIMEDOUT);
    assert_int_equal(task_count(), 0);
}

static void turn_the_wheel(void)
{
    const uint64_t end_ms = loop_now_ms(f.loop) + 3 * (uint64_t)WHEEL_TICK_MS;
    while (loop_now_ms(f.loop) < end_ms) {
        peer_wait(f.loop);
    }
}

static void test_a_route_without_deadline(void **state)
{
    (void)state;
    start(GET("/patient"));
    turn_the_wheel();
    assert_int_equal(cancelled_count, 0);
    end_late(STR("in its own time"));
    peer_await(&peer, "in its own time", 1);
}

static void test_a_slow_head_and_a_slow_body(void **state)
{
    (void)state;
    send_text("GET / HT");
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "HTTP/1.1 408 "));
    peer_deinit(&peer);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    send_text("POST /prompt HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "HTTP/1.1 408 "));
    assert_true(peer_has(&peer, "Connection: close\r\n"));
    assert_int_equal(parked_count, 0);
}

static void test_an_idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    peer_await_end(&peer);
    assert_int_equal(peer.in.len, 0);
    assert_int_equal(peer.error, 0);
    peer_deinit(&peer);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    send_text(GET("/hello"));
    peer_await_end(&peer);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 "), 1);
    assert_true(peer_has(&peer, "hello"));
}

/* --- the server drains --- */

static void drain(void)
{
    http_server_drain(&f.server, http_fixture_on_closed, &f.closed_count);
}

static void test_a_drain_answers_what_is_under_way(void **state)
{
    (void)state;
    start(GET("/late"));
    drain();
    turn_the_wheel();
    end_late(STR("under way"));
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "under way"));
    assert_true(peer_has(&peer, "Connection: close\r\n"));
}

static void test_a_drain_leaves_time_for_one_more_request(void **state)
{
    (void)state;
    send_text(GET("/hello"));
    peer_await(&peer, "hello", 1);
    drain();
    peer_turn(f.loop, 3);
    send_text(GET("/hello"));
    peer_await_end(&peer);
    assert_int_equal(peer_count(&peer, "hello"), 2);
    assert_int_equal(peer_count(&peer, "Connection: close\r\n"), 1);
}

static void test_a_drain_closes_what_is_idle(void **state)
{
    (void)state;
    send_text(GET("/hello"));
    peer_await(&peer, "hello", 1);
    drain();
    peer_await_end(&peer);
    assert_int_equal(peer.error, 0);
}

/* What was sent before the drain is answered, however slowly the peer reads. */
static void test_a_drain_answers_a_peer_that_reads_slowly(void **state)
{
    (void)state;
    send_text(GET("/big") GET("/big") GET("/hello"));
    peer_turn(f.loop, 20);
    drain();
    turn_the_wheel();
    const uint64_t end_ms = loop_now_ms(f.loop) + HTTP_DRAIN_IDLE_MS;
    while (loop_now_ms(f.loop) < end_ms) {
        peer_wait(f.loop);
    }
    peer_await_end(&peer);
    assert_int_equal(peer.error, 0);
    assert_int_equal(peer_count(&peer, "Connection: close\r\n"), 1);
}

static void test_a_drain_tells_who_asked(void **state)
{
    (void)state;
    start(GET("/events"));
    http_server_drain(&f.server, http_fixture_on_closed, &f.closed_count);
    assert_non_null(parked); /* never from inside the call */
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "bye"));
    assert_int_equal(cancelled_count, 0);
}

static void test_who_asks_in_a_drain_is_told(void **state)
{
    (void)state;
    send_text("GET /events HTTP/1.1\r\n");
    peer_await_u64(f.loop, &f.server.listener.stats.received_bytes, 22);
    http_server_drain(&f.server, http_fixture_on_closed, &f.closed_count);
    peer_turn(f.loop, 3);
    start(H "\r\n");
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "bye"));
}

static void test_a_drain_that_runs_out_of_time(void **state)
{
    (void)state;
    start(GET("/prompt"));
    drain();
    assert_int_equal(task_cancel_all(UV_ECANCELED), 1);
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "HTTP/1.1 503 "));
    assert_true(peer_has(&peer, "shutting down"));
    assert_int_equal(cancelled_count, 1);
}

static void test_a_drain_that_runs_out_of_time_in_a_body(void **state)
{
    (void)state;
    send_text("POST /prompt HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nhalf");
    while (task_count() == 0) {
        peer_wait(f.loop);
    }
    drain();
    assert_int_equal(task_cancel_all(UV_ECANCELED), 1);
    peer_await_end(&peer);
    assert_true(peer_has(&peer, "HTTP/1.1 503 "));
    assert_int_equal(parked_count, 0);
    assert_int_equal(task_count(), 0); /* no handler is there to end it */
}

static void test_a_stream_where_there_is_no_body(void **state)
{
    (void)state;
    send_text(GET("/no-content") GET("/hello"));
    peer_await(&peer, "hello", 1);
    assert_int_equal(peer_count(&peer, "HTTP/1.1 200 OK"), 1);
}

/* The lines are written, but nobody needs to see them. */
static int open_log(void **state)
{
    (void)state;
    const struct log_options options = {.fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};
    return log_start(&options);
}

static int close_log(void **state)
{
    (void)state;
    log_stop(1000);
    return 0;
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define HURRIED(test)   cmocka_unit_test_setup_teardown(test, setup_hurried, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(test_a_peer_that_leaves_cancels_once),
        WITH_PEER(test_a_late_answer_to_a_peer_that_left),
        WITH_PEER(test_a_cancelled_request_that_nobody_holds_ends),
        WITH_PEER(test_a_cancelled_request_ends_when_it_is_released),
        WITH_PEER(test_a_peer_that_leaves_a_stream),
        WITH_PEER(test_a_peer_that_leaves_in_its_body),
        WITH_PEER(test_a_connection_closed_under_its_handler),
        WITH_PEER(test_a_connection_closed_under_a_parked_request),
        WITH_PEER(test_on_writable_comes_when_the_peer_reads),
        HURRIED(test_a_deadline_answers_for_the_handler),
        HURRIED(test_a_deadline_and_an_answer_in_on_cancel),
        HURRIED(test_a_deadline_breaks_a_stream_off),
        HURRIED(test_a_route_without_deadline),
        HURRIED(test_a_slow_head_and_a_slow_body),
        HURRIED(test_an_idle_connection_is_closed_without_a_word),
        WITH_PEER(test_a_drain_answers_what_is_under_way),
        WITH_PEER(test_a_drain_leaves_time_for_one_more_request),
        WITH_PEER(test_a_drain_closes_what_is_idle),
        WITH_PEER(test_a_drain_answers_a_peer_that_reads_slowly),
        WITH_PEER(test_a_drain_tells_who_asked),
        WITH_PEER(test_who_asks_in_a_drain_is_told),
        WITH_PEER(test_a_drain_that_runs_out_of_time),
        WITH_PEER(test_a_drain_that_runs_out_of_time_in_a_body),
        WITH_PEER(test_a_stream_where_there_is_no_body),
    };
    return cmocka_run_group_tests_name("http1_end", tests, open_log, close_log);
}
