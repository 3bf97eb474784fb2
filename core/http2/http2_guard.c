/* SPDX-License-Identifier: MIT
 *
 * http2_guard.c - checks the heads of incoming frames before nghttp2 sees them.
 *
 * nghttp2 checks frames and streams. It does not limit how often a peer may send frames that make
 * work and carry no request, does not note which stream ids a peer has skipped, and does not limit
 * the length of a CONTINUATION; and the ids of closed streams take less memory here.
 *
 * Frames that carry no part of a request (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and
 * CONTINUATION, unknown ones) fill one bucket, which drains with time. Each frame of an answer adds
 * credit for some of them, which may be used later: its reader has to send WINDOW_UPDATEs, and
 * gRPC's C core sends them when it reads each message. So does each new request: the C core sends
 * two of them with every call, answered or not. Resets fill another bucket, with those that the
 * peer makes us send.
 *
 * Source: RFC 9113 4.2, 5.1.1, 10.5; CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316,
 *         CVE-2025-8671.
 */
#include "core/http2/http2_session.h"

/* The PING of the peer's bandwidth probe, and a WINDOW_UPDATE for stream and for connection. */
#define CREDIT_FRAMES   3
#define BYTES_PER_FRAME 256 /* of DATA, which may hold many messages */
#define CREDIT_MAX      100000
#define EVENT_MILLI     1000
#define FRAME_MAX_BYTES 16384 /* the initial SETTINGS_MAX_FRAME_SIZE */

/* --- buckets --- */

/* fill adds one event. Returns: whether there were too many. */
static bool fill(struct http2_bucket *bucket, uint64_t now_ms, uint64_t burst, uint64_t rate)
{
    const int64_t drained =
        (int64_t)((now_ms - bucket->at_ms) * rate); /* per s: thousandths per ms */
    bucket->at_ms = now_ms;
    if (bucket->level_milli > 0) { /* time drains it, and adds no credit */
        bucket->level_milli -= bucket->level_milli < drained ? bucket->level_milli : drained;
    }
    bucket->level_milli += EVENT_MILLI;
    return bucket->level_milli > (int64_t)(burst * EVENT_MILLI);
}

static void add_credit(struct http2_bucket *bucket, size_t frames)
{
    const int64_t lowest = -(int64_t)CREDIT_MAX * EVENT_MILLI;
    bucket->level_milli -= (int64_t)(frames * EVENT_MILLI);
    bucket->level_milli = bucket->level_milli < lowest ? lowest : bucket->level_milli;
}

static void count_control(struct http2 *h2)
{
    const struct http2_limits *limits = &h2->server->limits.http2;
    if (fill(&h2->control, loop_now_ms(h2->server->loop), limits->control_burst,
             limits->control_rate)) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_CONTROL_FRAMES);
    }
}

void http2_guard_padding(struct http2 *h2)
{
    count_control(h2);
}

static void count_reset(struct http2 *h2)
{
    const struct http2_limits *limits = &h2->server->limits.http2;
    if (fill(&h2->resets, loop_now_ms(h2->server->loop), limits->reset_burst, limits->reset_rate)) {
        http2_cut_off(h2, NGHTTP2_ENHANCE_YOUR_CALM, HTTP2_CUT_RESETS);
    }
}

void http2_guard_sent(struct http2 *h2, const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        add_credit(&h2->control, frame->hd.length / BYTES_PER_FRAME);
        /* fall through */
    case NGHTTP2_HEADERS:
        h2->keepalive.has_sent = true;
        add_credit(&h2->control, CREDIT_FRAMES);
        break;
    case NGHTTP2_RST_STREAM:
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR) {
            h2->resets_sent++;
        }
        if (frame->rst_stream.error_code == NGHTTP2_FLOW_CONTROL_ERROR) {
            h2->is_window_broken = true;
        }
        break;
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && !h2->is_ending) {
            http2_count_cut(h2, frame->goaway.error_code, HTTP2_CUT_PROTOCOL,
                            (struct str){(const char *)frame->goaway.opaque_data,
                                         frame->goaway.opaque_data_len});
        }
        break;
    default:
        break;
    }
}

void http2_guard_settle(struct http2 *h2)
{
    while (h2->resets_sent > 0) {
        h2->resets_sent--;
        count_reset(h2);
    }
    if (h2->is_window_broken) {
        http2_cut_off(h2, NGHTTP2_FLOW_CONTROL_ERROR, HTTP2_CUT_WINDOW);
    }
}

/* --- stream ids --- */

static bool has_id(const struct http2_span *spans, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (id >= spans[i].first && id <= spans[i].last) {
            return id % 2 == 1;
        }
    }
    return false;
}

/* keep_span adds a span to those of streams that closed long ago: it is joined with spans that it
 * touches, and takes the place of the oldest. Streams close in about the order of their ids, so
 * that one span covers nearly all. */
static void keep_span(struct http2_span *spans, struct http2_span span)
{
    struct http2_span *oldest = &spans[0];
    for (size_t i = 0; i < HTTP2_SPANS_MAX; i++) {
        struct http2_span *other = &spans[i];
        if (other->last > 0 && other->last + 2 == span.first) {
            span.first = other->first;
            *other = (struct http2_span){0, 0};
        } else if (other->first == span.last + 2) {
            span.last = other->last;
            *other = (struct http2_span){0, 0};
        }
        oldest = other->last < oldest->last ? other : oldest;
    }
    *oldest = span;
}

void http2_guard_closed(struct http2 *h2, int32_t id, bool is_by_peer)
{
    struct http2_closed *closed = &h2->closed;
    uint32_t *place = &closed->ids[closed->count++ % HTTP2_CLOSED_MAX];
    if ((*place & HTTP2_CLOSED_BY_PEER) != 0) {
        const uint32_t old = *place & ~HTTP2_CLOSED_BY_PEER;
        keep_span(closed->long_ago, (struct http2_span){old, old});
    }
    *place = (uint32_t)id | (is_by_peer ? HTTP2_CLOSED_BY_PEER : 0);
    closed->highest = closed->highest > (uint32_t)id ? closed->highest : (uint32_t)id;
}

static bool is_closed(const struct http2_closed *closed, uint32_t id)
{
    if (LIKELY(id > closed->highest)) {
        return false;
    }
    for (size_t i = 0; i < HTTP2_CLOSED_MAX; i++) {
        if (closed->ids[i] == (id | HTTP2_CLOSED_BY_PEER)) {
            return true;
        }
    }
    return has_id(closed->long_ago, HTTP2_SPANS_MAX, id);
}

/* check_closed: a peer that has ended or reset a stream sends no more on it. */
static void check_closed(struct http2 *h2, uint32_t id)
{
    if (is_closed(&h2->closed, id)) {
        http2_cut_off(h2, NGHTTP2_STREAM_CLOSED, HTTP2_CUT_PROTOCOL);
    }
}

/* check_id: a stream whose id was skipped is closed, and nghttp2 keeps no record of it. */
static void check_id(struct http2 *h2, uint32_t id)
{
    if (id > h2->last_stream_id) {
        if (id > h2->last_stream_id + 2) {
            h2->gaps[h2->gap_count++ % HTTP2_GAPS_MAX] =
                (struct http2_span){h2->last_stream_id + 1, id - 1};
        }
        h2->last_stream_id = id;
        add_credit(&h2->control,
                   CREDIT_FRAMES); /* a peer that opens too many fills the bucket of resets */
        return;
    }
    if (has_id(h2->gaps, HTTP2_GAPS_MAX, id)) {
        http2_cut_off(h2, NGHTTP2_PROTOCOL_ERROR, HTTP2_CUT_PROTOCOL);
    } else {
        check_closed(h2, id);
    }
}

/* --- frames --- */

static void check_frame(struct http2 *h2, uint32_t id)
{
    const struct http2_cursor *cursor = &h2->cursor;
    switch (cursor->type) {
    case NGHTTP2_DATA:
        if (cursor->left_bytes == 0 && (cursor->flags & NGHTTP2_FLAG_END_STREAM) == 0) {
            count_control(h2);
        }
        check_closed(h2, id);
        break;
    case NGHTTP2_HEADERS:
        h2->is_head_new = true;
        if (id % 2 == 1) {
            check_id(h2, id);
        }
        break;
    case NGHTTP2_RST_STREAM:
        count_reset(h2);
        break;
    case NGHTTP2_CONTINUATION:
        if (cursor->left_bytes == 0) {
            count_control(h2);
        } else if (cursor->left_bytes > FRAME_MAX_BYTES) {
            http2_cut_off(h2, NGHTTP2_FRAME_SIZE_ERROR, HTTP2_CUT_PROTOCOL);
        }
        break;
    default:
        count_control(h2);
        break;
    }
}

size_t http2_guard_frame(struct http2 *h2, const char *data, size_t len)
{
    struct http2_cursor *cursor = &h2->cursor;
    size_t used = 0;
    if (cursor->left_bytes == 0) {
        while (cursor->head_len < HTTP2_FRAME_HEAD_BYTES && used < len) {
            cursor->head[cursor->head_len++] = (uint8_t)data[used++];
        }
        if (cursor->head_len < HTTP2_FRAME_HEAD_BYTES) {
            return used;
        }
        const uint8_t *head = cursor->head;
        const uint32_t id = (uint32_t)(head[5] & 0x7F) << 24 | (uint32_t)head[6] << 16 |
                            (uint32_t)head[7] << 8 | head[8];
        cursor->left_bytes = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        cursor->type = head[3];
        cursor->flags = head[4];
        cursor->head_len = 0;
        check_frame(h2, id);
    }
    const size_t rest = len - used < cursor->left_bytes ? len - used : cursor->left_bytes;
    cursor->left_bytes -= (uint32_t)rest;
    return used + rest;
}

bool http2_guard_is_in_head(const struct http2 *h2)
{
    const struct http2_cursor *cursor = &h2->cursor;
    const bool is_head = cursor->type == NGHTTP2_HEADERS || cursor->type == NGHTTP2_CONTINUATION;
    return is_head && (cursor->left_bytes > 0 || (cursor->flags & NGHTTP2_FLAG_END_HEADERS) == 0);
}
