/* SPDX-License-Identifier: MIT
 *
 * test_http2.c - what no real peer provokes: memory that is missing at each place, streams that are
 * used again; and how fields become what handlers see.
 *
 * http2.c, http2_session.c and http2_stream.c are included, with their allocator, which is
 * nghttp2's too, replaced by one that fails on demand and counts.
 *
 * Tests: core/http2/http2_session.c, core/http2/http2_stream.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <netinet/tcp.h>

#include "test/unit/support/failing_alloc.h"
#define malloc  failing_malloc
#define calloc  failing_calloc
#define realloc failing_realloc
#include "core/http2/http2.c"
#include "core/http2/http2_session.c"
#include "core/http2/http2_stream.c"
#undef malloc
#undef calloc
#undef realloc

#include "test/unit/support/http_fixture.h"

static struct http_fixture f;
static struct peer peer;
static struct buf out; /* what the peer is about to send */
static size_t released_bytes;

/* --- handlers --- */

static void handle_hello(struct http_request *req, void *arg)
{
    (void)arg;
    http_fixture_respond(req, STR("hello"));
}

/* The answer names host and cookie. */
static void handle_fields(struct http_request *req, void *arg)
{
    (void)arg;
    struct buf body;
    buf_init(&body, 65536);
    for (size_t i = 0; i < req->header_count; i++) {
        buf_append_str(&body, req->headers[i].name);
        buf_append_char(&body, '=');
        buf_append_str(&body, req->headers[i].value);
        buf_append_char(&body, '\n');
    }
    http_fixture_respond(req, buf_str(&body));
    buf_deinit(&body);
}

static void on_body(struct http_request *req, struct str data, bool is_end)
{
    static const struct http_header trailer = {{"x-end", 5}, {"trailed", 7}};
    released_bytes += data.len;
    assert_true(http_stream_write(req, data)); /* so little never clogs anything */
    http_body_consume(req, data.len);
    if (is_end) {
        http_stream_end_with(req, &trailer, 1);
    }
}

static void on_cancel(struct http_request *req, int status)
{
    (void)status;
    http_stream_end(req);
}

static void handle_stream(struct http_request *req, void *arg)
{
    (void)arg;
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    http_stream_start(req, &response, NULL);
    http_on_cancel(req, on_cancel);
    http_on_body(req, on_body);
}

/* What a stream has to send is more than its queue and the windows take at first. */
static struct {
    size_t count;   /* handlers that heard of room */
    size_t in_turn; /* of them in the turn that goes on, and in the turn with the most */
    size_t most;
    uint64_t turn;
} told;

static void on_room(struct http_request *req)
{
    uint64_t turn;
    (void)loop_held_ns(f.loop, &turn);
    told.in_turn = turn == told.turn ? told.in_turn + 1 : 1;
    told.turn = turn;
    told.most = told.in_turn > told.most ? told.in_turn : told.most;
    told.count++;
    http_stream_end(req);
}

static void handle_much(struct http_request *req, void *arg)
{
    static const char much[140000];
    const struct http_response response = {.status = 200, .content_type = "text/plain"};
    (void)arg;
    http_stream_start(req, &response, on_room);
    http_on_cancel(req, on_cancel);
    assert_false(http_stream_write(req, (struct str){much, sizeof(much)}));
}

/* --- frames --- */

static void put_frame(uint8_t type, uint8_t flags, uint32_t id, struct str payload)
{
    const uint8_t head[] = {(uint8_t)(payload.len >> 16),
                            (uint8_t)(payload.len >> 8),
                            (uint8_t)payload.len,
                            type,
                            flags,
                            (uint8_t)(id >> 24),
                            (uint8_t)(id >> 16),
                            (uint8_t)(id >> 8),
                            (uint8_t)id};
    buf_append(&out, head, sizeof(head));
    buf_append_str(&out, payload);
}

/* put_field adds a field that no table is used for. */
static void put_field_block(struct buf *block, struct str name, struct str value)
{
    buf_append_char(block, 0);
    buf_append_char(block, (char)name.len);
    buf_append_str(block, name);
    buf_append_char(block, (char)value.len);
    buf_append_str(block, value);
}

static void put_request(uint32_t id, const char *method, const char *path, bool is_end,
                        const struct http_header *more, size_t more_count)
{
    struct buf block;
    buf_init(&block, 16384);
    put_field_block(&block, STR(":method"), str_from(method));
    put_field_block(&block, STR(":scheme"), STR("http"));
    put_field_block(&block, STR(":path"), str_from(path));
    put_field_block(&block, STR(":authority"), STR("test"));
    for (size_t i = 0; i < more_count; i++) {
        put_field_block(&block, more[i].name, more[i].value);
    }
    put_frame(NGHTTP2_HEADERS, (uint8_t)(NGHTTP2_FLAG_END_HEADERS | (is_end ? 1 : 0)), id,
              buf_str(&block));
    buf_deinit(&block);
}

static void put_preface(void)
{
    buf_append_str(&out, STR(HTTP2_PREFACE));
    put_frame(NGHTTP2_SETTINGS, 0, 0, STR(""));
}

static void send_out(void)
{
    peer_send(&peer, buf_str(&out));
    buf_clear(&out);
}

/* --- the fixture --- */

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    const struct http_limits limits = http_fixture_limits();
    http_fixture_init(&f);
    http_fixture_add(&f, METHOD_GET, "/", handle_hello, 0);
    http_fixture_add(&f, METHOD_POST, "/", handle_hello, ROUTE_BODY);
    http_fixture_add(&f, METHOD_GET, "/fields", handle_fields, 0);
    http_fixture_add(&f, METHOD_POST, "/stream", handle_stream, ROUTE_STREAM);
    http_fixture_add(&f, METHOD_GET, "/much", handle_much, 0);
    http_fixture_open(&f, &limits);
    buf_init(&out, 1 << 20);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    peer_await_u64(f.loop, &f.server.listener.stats.accepted, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peer_deinit(&peer);
    buf_deinit(&out);
    http_fixture_deinit(&f);
    return 0;
}

/* --- tests --- */

static void test_one_stream_serves_all_in_turn(void **state)
{
    (void)state;
    put_preface();
    send_out();
    for (uint32_t i = 0; i < 50; i++) {
        put_request(1 + 2 * i, "GET", "/", true, NULL, 0);
        send_out();
        peer_await(&peer, "hello", i + 1);
    }
    assert_int_equal(f.server.streams.count, HTTP_SPARE_MAX > 0 ? 1 : 0);
}

static void test_fields(void **state)
{
    (void)state;
    static const struct http_header more[] = {
        {{"cookie", 6}, {"a=1", 3}}, {{"x-one", 5}, {"first", 5}},  {{"cookie", 6}, {"b=2", 3}},
        {{"cookie", 6}, {"c=3", 3}}, {{"x-one", 5}, {"second", 6}}, {{"host", 4}, {"test", 4}},
        {{"cookie", 6}, {"d=4", 3}}};
    put_preface();
    put_request(1, "GET", "/fields", true, more, ARRAY_COUNT(more));
    send_out();
    peer_await(&peer, "host=test\ncookie=a=1; b=2; c=3; d=4\nx-one=first\nx-one=second\n", 1);
}

static void test_more_fields_than_fit_at_first(void **state)
{
    (void)state;
    struct http_header more[90];
    for (size_t i = 0; i < ARRAY_COUNT(more); i++) {
        more[i] = (struct http_header){STR("x-many"), STR("field")};
    }
    put_preface();
    put_request(1, "GET", "/fields", true, more, ARRAY_COUNT(more));
    send_out();
    peer_await(&peer, "x-many=field\n", ARRAY_COUNT(more));
}

/* user_timeout_ms is what the kernel was told of the one connection. */
static unsigned user_timeout_ms(void)
{
    struct conn *conn = CONTAINER_OF(f.conns.conns.next, struct conn, link);
    unsigned value = 0;
    socklen_t len = sizeof(value);
    uv_os_fd_t fd;
    assert_int_equal(f.conns.count, 1);
    assert_int_equal(uv_fileno((uv_handle_t *)&conn->tcp, &fd), 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
    return value;
}

/* assert_user_timeout begins a connection, with these limits, and looks before and after it speaks
 * HTTP/2. */
static void assert_user_timeout(const struct http2_keepalive_limits *limits, uint64_t expected_ms)
{
    f.server.limits.http2.keepalive = *limits;
    assert_int_equal(user_timeout_ms(), 0);
    put_preface();
    put_request(1, "GET", "/", true, NULL, 0);
    send_out();
    peer_await(&peer, "hello", 1);
    assert_int_equal(user_timeout_ms(), expected_ms);
}

static void test_user_timeout_of_keepalive(void **state)
{
    (void)state;
    const struct http2_keepalive_limits limits = {.time_ms = 7200000, .timeout_ms = 20000};
    f.conns.write_timeout_ms = 10000;
    assert_user_timeout(&limits, 20000);
}

static void test_user_timeout_is_no_shorter_than_the_write_timeout(void **state)
{
    (void)state;
    const struct http2_keepalive_limits limits = {.time_ms = 7200000, .timeout_ms = 20000};
    f.conns.write_timeout_ms = 30000;
    assert_user_timeout(&limits, 30000);
}

static void test_no_user_timeout_without_keepalive(void **state)
{
    (void)state;
    const struct http2_keepalive_limits limits = {.timeout_ms = 20000};
    assert_user_timeout(&limits, 0);
}

/* has_outcome tells whether the exchange has come to an end, good or bad. */
static bool has_outcome(const char *good)
{
    static const char reset[] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, 0, 1};
    peer_receive(&peer);
    return peer.has_ended || peer_has(&peer, good) ||
           (peer.in.len > 0 && memmem(peer.in.data, peer.in.len, reset, sizeof(reset)) != NULL);
}

/* converse sends a whole exchange on a new connection, with so many allocations granted.
 *
 * Returns: whether it ended well. */
static bool converse(size_t granted, const char *method, const char *path, const char *good)
{
    const uint64_t accepted = f.server.listener.stats.accepted;
    peer_deinit(&peer);
    peer_connect(&peer, f.loop, f.server.listener.port, 0);
    peer_await_u64(f.loop, &f.server.listener.stats.accepted, accepted + 1);
    put_preface();
    put_request(1, method, path, false, NULL, 0);
    put_frame(NGHTTP2_DATA, 0, 1, STR("some body"));
    put_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, STR("and more"));
    allocations_left = granted;
    send_out();
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    while (!has_outcome(good)) {
        assert_true(clock_now_ns() < end_ns);
        peer_wait(f.loop);
    }
    const bool is_good = allocations_left > 0 && peer_has(&peer, good);
    allocations_left = SIZE_MAX;
    peer_reset(&peer);
    while (f.conns.count > 0) {
        assert_true(clock_now_ns() < end_ns);
        peer_wait(f.loop);
    }
    assert_int_equal(task_count(), 0);
    http_pool_free(&f.server.streams); /* so that the next one has to allocate all over again */
    return is_good;
}

static void fail_each(const char *method, const char *path, const char *good)
{
    size_t granted = 0;
    while (!converse(granted, method, path, good)) {
        granted++;
        assert_true(granted < 1000);
    }
    assert_true(granted > 20);
}

static void test_without_memory_an_exchange_ends(void **state)
{
    (void)state;
    fail_each("POST", "/", "hello");
}

static void test_without_memory_a_stream_ends(void **state)
{
    (void)state;
    fail_each("POST", "/stream", "and more");
    assert_true(released_bytes > 0);
}

static void test_no_more_streams_are_kept_than_so_many(void **state)
{
    (void)state;
    put_preface();
    put_request(1, "GET", "/", true, NULL, 0);
    send_out();
    peer_await(&peer, "hello", 1);
    struct http2 *h2 = CONTAINER_OF(f.server.http2_conns.next, struct http2, link);
    struct http2_stream *streams[HTTP_SPARE_MAX + 2];
    for (size_t i = 0; i < ARRAY_COUNT(streams); i++) {
        streams[i] = http2_stream_open(h2, (int32_t)(1001 + 2 * i));
        assert_non_null(streams[i]);
    }
    for (size_t i = 0; i < ARRAY_COUNT(streams); i++) {
        http2_stream_closed(streams[i], NGHTTP2_CANCEL);
    }
    assert_int_equal(f.server.streams.count, HTTP_SPARE_MAX);
    assert_int_equal(h2->stream_count, 0);
}

static void put_window(uint32_t id)
{
    put_frame(NGHTTP2_WINDOW_UPDATE, 0, id, (struct str){"\x01\x00\x00\x00", 4}); /* 16 MiB */
}

/* Many streams wait until their peer reads, and get their windows in one read: a turn tells some of
 * their handlers, so that what each of them then sends holds nobody up. */
static void test_room_for_many_is_told_in_many_turns(void **state)
{
    enum { STREAMS = 3 * NOTIFY_STREAMS };
    (void)state;
    memset(&told, 0, sizeof(told));
    put_preface();
    for (uint32_t i = 0; i < STREAMS; i++) {
        put_request(1 + 2 * i, "GET", "/much", true, NULL, 0);
    }
    send_out();
    while (task_count() < STREAMS) {
        peer_wait(f.loop);
    }
    put_window(0);
    for (uint32_t i = 0; i < STREAMS; i++) {
        put_window(1 + 2 * i);
    }
    send_out();
    const uint64_t end_ns = clock_now_ns() + PEER_PATIENCE_NS;
    while (told.count < STREAMS) {
        assert_true(clock_now_ns() < end_ns);
        peer_receive(&peer);
        peer_wait(f.loop);
    }
    assert_in_range(told.most, 1, 2 * NOTIFY_STREAMS); /* deferred calls run twice a turn */
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_one_stream_serves_all_in_turn),
        WITH_SERVER(test_fields),
        WITH_SERVER(test_more_fields_than_fit_at_first),
        WITH_SERVER(test_without_memory_an_exchange_ends),
        WITH_SERVER(test_without_memory_a_stream_ends),
        WITH_SERVER(test_no_more_streams_are_kept_than_so_many),
        WITH_SERVER(test_room_for_many_is_told_in_many_turns),
        WITH_SERVER(test_user_timeout_of_keepalive),
        WITH_SERVER(test_user_timeout_is_no_shorter_than_the_write_timeout),
        WITH_SERVER(test_no_user_timeout_without_keepalive),
    };
    return cmocka_run_group_tests_name("http2", tests, NULL, NULL);
}
