/* SPDX-License-Identifier: MIT
 *
 * test_http2_guard.c - frames counted by their heads: buckets that time empties, credit for what
 * is answered, and ids of streams that are over.
 *
 * http2_guard.c is included: the test says what time it is, and is told of what is cut off.
 *
 * Source: RFC 9113 4.1, 5.1.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <string.h>

#include "core/http2/http2_session.h"

#define loop_now_ms(loop)            ((void)(loop), clock_ms)
#define http2_cut_off(h2, code, why) cut_off((h2), (code), (why))
#define http2_count_cut(...)         count_cut()

static uint64_t clock_ms;
static unsigned cut_count;
static uint32_t cut_code;
static int cut_reason;

static void cut_off(const struct http2 *h2, uint32_t code, int why)
{
    (void)h2;
    cut_count++;
    cut_code = code;
    cut_reason = why;
}

static void count_cut(void)
{
    cut_count++;
}

#include "core/http2/http2_guard.c"

static struct http_server server;
static struct http2 h2;

static int set_up(void **state)
{
    (void)state;
    memset(&server, 0, sizeof(server));
    memset(&h2, 0, sizeof(h2));
    server.limits.http2 = (struct http2_limits){
        .control_burst = 10, .control_rate = 2, .reset_burst = 3, .reset_rate = 1};
    h2.server = &server;
    clock_ms = 1000;
    cut_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return 0;
}

/* frame is one frame, handed over in pieces of `piece` bytes; returns whether it was cut off. */
static bool frame_in_pieces(size_t len, uint8_t type, uint8_t flags, uint32_t id, size_t piece)
{
    static char bytes[HTTP2_FRAME_HEAD_BYTES + 70000];
    const unsigned before = cut_count;
    assert_true(len + HTTP2_FRAME_HEAD_BYTES <= sizeof(bytes));
    memset(bytes, 0, sizeof(bytes));
    bytes[0] = (char)(len >> 16);
    bytes[1] = (char)(len >> 8);
    bytes[2] = (char)len;
    bytes[3] = (char)type;
    bytes[4] = (char)flags;
    bytes[5] = (char)(id >> 24);
    bytes[6] = (char)(id >> 16);
    bytes[7] = (char)(id >> 8);
    bytes[8] = (char)id;
    for (size_t used = 0; used < HTTP2_FRAME_HEAD_BYTES + len;) {
        const size_t left = HTTP2_FRAME_HEAD_BYTES + len - used;
        const size_t taken = http2_guard_frame(&h2, bytes + used, left < piece ? left : piece);
        assert_true(taken > 0);
        used += taken;
    }
    return cut_count > before;
}

static bool frame(size_t len, uint8_t type, uint8_t flags, uint32_t id)
{
    return frame_in_pieces(len, type, flags, id, SIZE_MAX);
}

static bool ping(void)
{
    return frame(8, NGHTTP2_PING, 0, 0);
}

static bool reset(void)
{
    return frame(4, NGHTTP2_RST_STREAM, 0, 1);
}

static bool head(uint32_t id)
{
    return frame(10, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id);
}

static void test_a_burst_and_what_time_brings(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_false(ping());
    }
    assert_true(ping());
    assert_int_equal(cut_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(cut_reason, HTTP2_CUT_CONTROL_FRAMES);
    clock_ms += 1000; /* two a second */
    assert_false(ping());
    assert_true(ping());
}

/* An hour of silence allows for one burst, not for more. */
static void test_time_saves_nothing_up(void **state)
{
    (void)state;
    assert_false(ping());
    clock_ms += 3600000;
    for (int i = 0; i < 10; i++) {
        assert_false(ping());
    }
    assert_true(ping());
}

static void test_each_new_request_allows_for_some(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        assert_false(head(2 * i + 1));
    }
    for (int i = 0; i < 10 + 5 * CREDIT_FRAMES; i++) {
        assert_false(ping());
    }
    assert_true(ping());
}

static void test_what_is_sent_allows_for_some(void **state)
{
    (void)state;
    const nghttp2_frame data = {
        .hd = {.type = NGHTTP2_DATA, .length = 10 * BYTES_PER_FRAME, .stream_id = 1}};
    http2_guard_sent(&h2, &data);
    for (int i = 0; i < 10 + 10 + CREDIT_FRAMES; i++) {
        assert_false(ping());
    }
    assert_true(ping());
}

static void test_credit_has_a_bound(void **state)
{
    (void)state;
    struct http2_bucket bucket = {0, 0};
    add_credit(&bucket, 10 * CREDIT_MAX);
    assert_int_equal(bucket.level_milli, -(int64_t)CREDIT_MAX * EVENT_MILLI);
}

static void test_resets_have_a_bucket_of_their_own(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(reset());
    }
    assert_true(reset());
    assert_int_equal(cut_reason, HTTP2_CUT_RESETS);
    assert_false(ping());
}

/* Resets that the peer makes the server send count, but for those that end a stream in order. */
static void test_resets_that_are_sent(void **state)
{
    (void)state;
    nghttp2_frame sent = {.rst_stream = {.hd = {.type = NGHTTP2_RST_STREAM, .stream_id = 1}}};
    sent.rst_stream.error_code = NGHTTP2_NO_ERROR;
    for (int i = 0; i < 10; i++) {
        http2_guard_sent(&h2, &sent);
    }
    http2_guard_settle(&h2);
    assert_int_equal(cut_count, 0);
    sent.rst_stream.error_code = NGHTTP2_PROTOCOL_ERROR;
    for (int i = 0; i < 4; i++) {
        http2_guard_sent(&h2, &sent);
    }
    assert_int_equal(cut_count, 0); /* not inside of nghttp2 */
    http2_guard_settle(&h2);
    assert_int_equal(cut_reason, HTTP2_CUT_RESETS);
}

static void test_a_window_that_is_broken(void **state)
{
    (void)state;
    nghttp2_frame sent = {.rst_stream = {.hd = {.type = NGHTTP2_RST_STREAM, .stream_id = 1}}};
    sent.rst_stream.error_code = NGHTTP2_FLOW_CONTROL_ERROR;
    http2_guard_sent(&h2, &sent);
    http2_guard_settle(&h2);
    assert_int_equal(cut_code, NGHTTP2_FLOW_CONTROL_ERROR);
    assert_int_equal(cut_reason, HTTP2_CUT_WINDOW);
}

/* Which frames are work without a request: all but HEADERS and DATA that carry something. */
static void test_what_counts(void **state)
{
    (void)state;
    assert_false(head(1));
    h2.control = (struct http2_bucket){.level_milli = 10 * EVENT_MILLI,
                                       .at_ms = clock_ms}; /* full: the next one is too many */
    assert_false(frame(100, NGHTTP2_DATA, 0, 1));
    assert_false(frame(0, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1));
    assert_false(frame(100, NGHTTP2_CONTINUATION, 0, 1));
    assert_true(frame(0, NGHTTP2_DATA, 0, 1));
    assert_true(frame(0, NGHTTP2_CONTINUATION, 0, 1));
    assert_true(frame(0, NGHTTP2_SETTINGS, 0, 0));
    assert_true(frame(5, NGHTTP2_PRIORITY, 0, 1));
    assert_true(frame(4, NGHTTP2_WINDOW_UPDATE, 0, 0));
    assert_true(frame(3, 0xfe, 0, 0)); /* unknown */
}

static void test_frames_cut_anywhere(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 12; piece++) {
        set_up(NULL);
        assert_false(frame_in_pieces(20, NGHTTP2_HEADERS, 0, 1, piece));
        assert_true(http2_guard_is_in_head(&h2)); /* no END_HEADERS */
        assert_false(frame_in_pieces(20, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, piece));
        assert_false(http2_guard_is_in_head(&h2));
        assert_int_equal(h2.last_stream_id, 1);
    }
}

static void test_a_continuation_that_is_too_long(void **state)
{
    (void)state;
    assert_false(frame(20, NGHTTP2_HEADERS, 0, 1));
    assert_false(frame(FRAME_MAX_BYTES, NGHTTP2_CONTINUATION, 0, 1));
    assert_true(frame(FRAME_MAX_BYTES + 1, NGHTTP2_CONTINUATION, 0, 1));
    assert_int_equal(cut_code, NGHTTP2_FRAME_SIZE_ERROR);
}

/* A stream that was passed over is closed for good. */
static void test_ids_that_were_passed_over(void **state)
{
    (void)state;
    assert_false(head(1));
    assert_false(head(7)); /* 3 and 5 are closed now */
    assert_false(head(9));
    assert_true(head(3));
    assert_int_equal(cut_code, NGHTTP2_PROTOCOL_ERROR);
    assert_true(head(5));
    assert_false(head(7)); /* trailers of one that is open */
}

static void test_streams_that_their_peer_has_ended(void **state)
{
    (void)state;
    assert_false(head(1));
    assert_false(head(3));
    http2_guard_closed(&h2, 1, true);
    http2_guard_closed(&h2, 3, false); /* we did: frames may be under way */
    assert_true(frame(5, NGHTTP2_DATA, 0, 1));
    assert_int_equal(cut_code, NGHTTP2_STREAM_CLOSED);
    assert_false(frame(5, NGHTTP2_DATA, 0, 3));
}

/* Those of long ago are spans, as they close in about the order of their ids. */
static void test_streams_of_long_ago(void **state)
{
    (void)state;
    const uint32_t last = 2 * 4 * HTTP2_CLOSED_MAX + 1;
    for (uint32_t id = 1; id <= last; id += 2) {
        const uint32_t other = id % 4 == 1 ? id + 2 : id - 2; /* two by two the wrong way round */
        http2_guard_closed(&h2, (int32_t)(other > last ? id : other), true);
    }
    for (uint32_t id = 1; id <= last; id += 2) {
        assert_true(is_closed(&h2.closed, id));
        assert_false(is_closed(&h2.closed, id + 1)); /* a server's own ids are even */
    }
    assert_false(is_closed(&h2.closed, last + 2));
}

static void test_spans_that_touch_become_one(void **state)
{
    (void)state;
    struct http2_span spans[HTTP2_SPANS_MAX] = {{0, 0}};
    keep_span(spans, (struct http2_span){1, 3});
    keep_span(spans, (struct http2_span){7, 9});
    assert_false(has_id(spans, HTTP2_SPANS_MAX, 5));
    keep_span(spans, (struct http2_span){5, 5});
    size_t used = 0;
    for (size_t i = 0; i < HTTP2_SPANS_MAX; i++) {
        used += spans[i].last > 0;
    }
    assert_int_equal(used, 1);
    for (uint32_t id = 1; id <= 9; id += 2) {
        assert_true(has_id(spans, HTTP2_SPANS_MAX, id));
    }
    assert_false(has_id(spans, HTTP2_SPANS_MAX, 11));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_burst_and_what_time_brings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_saves_nothing_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_new_request_allows_for_some, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_sent_allows_for_some, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_credit_has_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resets_have_a_bucket_of_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resets_that_are_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_window_that_is_broken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames_cut_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_continuation_that_is_too_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ids_that_were_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_streams_that_their_peer_has_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_streams_of_long_ago, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spans_that_touch_become_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
