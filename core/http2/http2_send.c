/* SPDX-License-Identifier: MIT
 *
 * http2_send.c - answers as frames. nghttp2 encodes heads and divides the windows among the
 * streams; a body goes from the handler's memory into the connection's queue as far as the windows
 * allow, and the rest waits in the stream's queue.
 */
#include "core/http2/http2_session.h"

#include "core/http/http_field.h"

#define FIXED_FIELDS   4                   /* :status, date, content-type, content-length */
#define INLINE_FIELDS  (FIXED_FIELDS + 12) /* more are put into the arena */
#define DATA_MAX_BYTES (OUTQ_BLOCK_BYTES - HTTP2_FRAME_HEAD_BYTES) /* a frame fills a block */

/* --- data --- */

static size_t count_pending(const struct http2_stream *st)
{
    return st->borrowed.len + st->out.len;
}

/* has_unsent tells whether bytes of the answer wait, or its end, which needs a window as well. */
static bool has_unsent(const struct http2_stream *st)
{
    return count_pending(st) > 0 || (st->life == STREAM_ANSWERED && !st->is_end_given);
}

static struct http2_stream *stream_of(struct http_request *req)
{
    return CONTAINER_OF(req, struct http2_stream, req);
}

/* check closes the connection when nghttp2 has no memory; other errors are those of a stream that
 * it has closed, for which on_stream_close runs. */
static void check(struct http2 *h2, int rv)
{
    if (nghttp2_is_fatal(rv)) {
        conn_close(h2->conn);
        http2_wake(h2);
    }
}

void http2_send_watch(struct http2_stream *st)
{
    const struct conn *conn = st->h2->conn;
    if (st->life == STREAM_LINGERING) {
        return; /* the timer waits for the end of the body that is dropped */
    }
    if (!has_unsent(st)) {
        st->is_watched = false;
        wheel_unset(&st->timer);
    } else if (!st->is_watched || st->taken_bytes >= HTTP2_PACE_BYTES) {
        st->is_watched = true;
        st->taken_bytes = 0;
        loop_set_timer(conn->set->loop, &st->timer, conn->set->write_timeout_ms);
    }
}

static int stop(struct http2_stream *st)
{
    return nghttp2_submit_rst_stream(st->h2->session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
}

int http2_send_done(struct http2_stream *st)
{
    if (st->is_body_done) {
        return 0;
    }
    if (!st->is_refusal) {
        return stop(st);
    }
    http2_life_linger(st);
    return 0;
}

void http2_send_stop(struct http2_stream *st)
{
    struct http2 *h2 = st->h2;
    wheel_unset(&st->timer);
    check(h2, stop(st));
    http2_pump(h2);
}

void http2_send_drop(struct http2_stream *st)
{
    st->borrowed = STR("");
    st->h2->queued_bytes -= st->out.len;
    outq_consume(&st->out, &st->h2->conn->set->pool, st->out.len);
}

/* read_data tells nghttp2 how much of a body the next frame may have. */
static ssize_t read_data(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t length,
                         uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)stream_id;
    (void)buf;
    (void)user_data;
    struct http2_stream *st = source->ptr;
    const size_t pending = count_pending(st);
    size_t len = pending < length ? pending : length;
    len = len < DATA_MAX_BYTES ? len : DATA_MAX_BYTES;
    if (len == 0 && st->life == STREAM_HANDLED) {
        st->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (len == pending && st->life != STREAM_HANDLED) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        st->is_end_given = true;
        if (st->trailer_count > 0) {
            *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            if (nghttp2_submit_trailer(session, st->id, st->trailers, st->trailer_count) != 0) {
                return NGHTTP2_ERR_CALLBACK_FAILURE;
            }
        }
    }
    return (ssize_t)len;
}

/* take_data moves the next `len` bytes of the stream's body to `to`. */
static void take_data(struct http2_stream *st, char *to, size_t len)
{
    const size_t first = len < st->borrowed.len ? len : st->borrowed.len;
    if (first > 0) {
        memcpy(to, st->borrowed.ptr, first);
        st->borrowed = (struct str){st->borrowed.ptr + first, st->borrowed.len - first};
        to += first;
        len -= first;
    }
    while (len > 0) {
        uv_buf_t bufs[1];
        (void)outq_peek(&st->out, bufs, 1);
        const size_t n = len < bufs[0].len ? len : bufs[0].len;
        memcpy(to, bufs[0].base, n);
        outq_consume(&st->out, &st->h2->conn->set->pool, n);
        st->h2->queued_bytes -= n;
        to += n;
        len -= n;
    }
}

int http2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd,
                    size_t length, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)frame;
    struct http2 *h2 = user_data;
    struct http2_stream *st = source->ptr;
    char *room = conn_reserve(h2->conn, HTTP2_FRAME_HEAD_BYTES + length);
    if (room == NULL) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    const uint32_t previous_label = task_swap_label(st->label);
    memcpy(room, framehd, HTTP2_FRAME_HEAD_BYTES);
    take_data(st, room + HTTP2_FRAME_HEAD_BYTES, length);
    conn_commit(h2->conn, HTTP2_FRAME_HEAD_BYTES + length);
    st->taken_bytes += length;
    h2->moved_bytes += length;
    (void)task_swap_label(previous_label);
    http2_send_watch(st);
    return 0;
}

/* --- heads --- */

struct fields {
    nghttp2_nv *list;
    size_t count;
};

static void put(struct fields *fields, struct str name, struct str value, uint8_t flags)
{
    fields->list[fields->count++] =
        (nghttp2_nv){(uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                     value.len, flags};
}

/* put_own adds a field of the server. nghttp2 copies the value alone.
 *
 * name: a literal in lower case. */
static void put_own(struct fields *fields, struct str name, struct str value)
{
    put(fields, name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME);
}

/* put_checked adds a handler's field, if it may be sent; nghttp2 copies it and turns its name into
 * lower case. */
static void put_checked(struct fields *fields, struct str name, struct str value)
{
    if (http_field_check(name, value)) {
        put(fields, name, value, NGHTTP2_NV_FLAG_NONE);
    }
}

/* submit_head gives nghttp2 the head of an answer.
 *
 * length: of the body, for Content-Length; NULL when it is not known. has_data: DATA follows. */
static int submit_head(struct http2_stream *st, const struct http_response *response,
                       const size_t *length, bool has_data)
{
    nghttp2_nv inline_list[INLINE_FIELDS];
    struct fields fields = {.list = inline_list};
    const size_t max = response->header_count + FIXED_FIELDS;
    if (max > INLINE_FIELDS) {
        fields.list = arena_alloc(&st->req.arena, max * sizeof(fields.list[0]));
        if (fields.list == NULL) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    char status[20];
    char digits[20];
    put_own(&fields, STR(":status"),
            (struct str){status, str_format_u64(status, (uint64_t)response->status)});
    if (!response->is_bare) {
        put_own(&fields, STR("date"), loop_http_date(st->req.server->loop));
    }
    const struct str type = str_from(response->content_type == NULL ? "" : response->content_type);
    if (type.len > 0 && http_field_check_type(type)) {
        put_own(&fields, STR("content-type"), type);
    }
    if (length != NULL && !response->is_bare) {
        put_own(&fields, STR("content-length"),
                (struct str){digits, str_format_u64(digits, *length)});
    }
    for (size_t i = 0; i < response->header_count; i++) {
        put_checked(&fields, response->headers[i].name, response->headers[i].value);
    }
    const nghttp2_data_provider provider = {.source = {.ptr = st}, .read_callback = read_data};
    st->label = st->req.task.label;
    st->is_refusal = response->status >= 400;
    st->is_end_given = !has_data;
    return nghttp2_submit_response(st->h2->session, st->id, fields.list, fields.count,
                                   has_data ? &provider : NULL);
}

void http2_send_continue(struct http2_stream *st)
{
    static const nghttp2_nv status = {(uint8_t *)(uintptr_t) ":status",
                                      (uint8_t *)(uintptr_t) "100", 7, 3, NGHTTP2_NV_FLAG_NONE};
    check(st->h2, nghttp2_submit_headers(st->h2->session, NGHTTP2_FLAG_NONE, st->id, NULL, &status,
                                         1, NULL));
    http2_pump(st->h2);
}

/* --- the transport --- */

/* submit_reset queues RST_STREAM and drops the rest of the answer. A handler that still answers is
 * cancelled when the frame has been sent, which waits for the peer to read. */
static void submit_reset(struct http2_stream *st, uint32_t code)
{
    http2_send_drop(st);
    st->is_end_given = true;
    st->is_watched = false;
    wheel_unset(&st->timer);
    check(st->h2, nghttp2_submit_rst_stream(st->h2->session, NGHTTP2_FLAG_NONE, st->id, code));
    http2_pump(st->h2);
}

/* reset breaks off a stream whose handler has ended it. */
static void reset(struct http2_stream *st, uint32_t code)
{
    if (http2_stream_is_closed(st)) {
        return;
    }
    if (st->life != STREAM_ANSWERED) {
        http2_life_answer(st);
    }
    submit_reset(st, code);
}

/* keep queues data for which there is no window. Returns: false when memory is missing. */
static bool keep(struct http2_stream *st, struct str data)
{
    struct http2 *h2 = st->h2;
    if (data.len == 0 || h2->is_ending) {
        return true; /* nothing more is sent */
    }
    if (outq_append(&st->out, &h2->conn->set->pool, data.ptr, data.len) < 0) {
        return false;
    }
    h2->queued_bytes += data.len;
    return true;
}

/* push sends as much of `data` as the windows allow, and keeps the rest. */
static void push(struct http2_stream *st, struct str data)
{
    struct http2 *h2 = st->h2;
    if (st->out.len == 0 && !h2->is_busy) {
        st->borrowed = data;
        data = STR("");
    } else if (!keep(st, data)) {
        submit_reset(st, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    if (st->is_deferred) {
        st->is_deferred = false;
        check(h2, nghttp2_session_resume_data(h2->session, st->id));
    }
    http2_pump(h2);
    data = st->borrowed;
    st->borrowed = STR("");
    if (http2_stream_is_closed(st)) {
        return;
    }
    if (!keep(st, data)) {
        submit_reset(st, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    http2_send_watch(st);
}

/* copy_trailers puts the trailers into the arena, where they wait until the body has been sent. */
static bool copy_trailers(struct http2_stream *st, const struct http_header *trailers, size_t count)
{
    struct arena *arena = &st->req.arena;
    if (count == 0) {
        return true;
    }
    struct fields fields = {.list = arena_alloc(arena, (count + 1) * sizeof(fields.list[0]))};
    if (fields.list == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct str name;
        struct str value;
        if (!arena_copy(arena, trailers[i].name, &name) ||
            !arena_copy(arena, trailers[i].value, &value)) {
            return false;
        }
        put_checked(&fields, name, value);
    }
    st->trailers = fields.list;
    st->trailer_count = fields.count;
    return true;
}

static void respond(struct http_request *req, const struct http_response *response)
{
    struct http2_stream *st = stream_of(req);
    if (http2_stream_is_closed(st)) {
        return; /* and http2_stream_tell_lost has not run yet */
    }
    const bool has_content = http_status_has_body(response->status);
    const bool has_data = has_content && req->method != METHOD_HEAD && response->body.len > 0;
    const bool has_more = has_data || response->trailer_count > 0;
    http2_life_answer(st);
    int rv = copy_trailers(st, response->trailers, response->trailer_count)
                 ? 0
                 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (rv == 0) {
        rv = submit_head(st, response, has_content ? &response->body.len : NULL, has_more);
    }
    check(st->h2, rv);
    if (rv != 0) {
        reset(st, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    req->sent_body_bytes = has_data ? response->body.len : 0;
    push(st, has_data ? response->body : STR(""));
}

static void stream_start(struct http_request *req, const struct http_response *response)
{
    struct http2_stream *st = stream_of(req);
    if (http2_stream_is_closed(st)) {
        return;
    }
    st->is_bodyless = req->method == METHOD_HEAD || !http_status_has_body(response->status);
    const int rv = submit_head(st, response, NULL, true);
    check(st->h2, rv);
    if (rv != 0) {
        check(st->h2, nghttp2_submit_rst_stream(st->h2->session, NGHTTP2_FLAG_NONE, st->id,
                                                NGHTTP2_INTERNAL_ERROR));
    }
    http2_pump(st->h2);
}

static bool stream_write(struct http_request *req, struct str data)
{
    struct http2_stream *st = stream_of(req);
    if (st->is_bodyless || st->is_end_given || http2_stream_is_closed(st)) {
        return true; /* nothing more is sent */
    }
    req->sent_body_bytes += data.len;
    push(st, data);
    if (http2_stream_is_closed(st) || http2_flow_has_room(st, HTTP2_HIGH_BYTES)) {
        return true;
    }
    http2_life_block(st);
    return false;
}

static void stream_end(struct http_request *req)
{
    struct http2_stream *st = stream_of(req);
    if (!http2_stream_is_closed(st)) {
        http2_life_answer(st);
        push(st, STR(""));
    }
}

static void stream_end_with(struct http_request *req, const struct http_header *trailers,
                            size_t count)
{
    struct http2_stream *st = stream_of(req);
    if (!copy_trailers(st, trailers, count)) {
        reset(st, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    stream_end(req);
}

static void cancel(struct http_request *req, const struct http_response *response)
{
    struct http2 *h2 = stream_of(req)->h2;
    if (http2_is_leaving(h2) && !h2->is_goaway_sent) {
        http2_goaway(h2); /* the drain may be out of time, and about to close the connection */
    }
    if (req->life == HTTP_STREAMING) {
        reset(stream_of(req), NGHTTP2_CANCEL);
    } else {
        respond(req, response);
    }
}

static bool may_queue(const struct http_request *req, size_t len)
{
    const struct http2_stream *st = CONTAINER_OF(req, struct http2_stream, req);
    return conn_may_queue(st->h2->conn, st->h2->queued_bytes, len);
}

static void format_peer(const struct http_request *req, char *out)
{
    const struct http2_stream *st = CONTAINER_OF(req, struct http2_stream, req);
    conn_format_peer(st->h2->conn, out);
}

static const struct conn *get_conn(const struct http_request *req)
{
    return CONTAINER_OF(req, struct http2_stream, req)->h2->conn;
}

static void consume(struct http_request *req, size_t len)
{
    struct http2_stream *st = stream_of(req);
    http2_flow_consume(st, len);
    http2_pump(st->h2);
}

static void break_off(struct http_request *req, enum http_reset code)
{
    reset(stream_of(req), (uint32_t)code);
}

const struct http_transport http2_transport = {
    .version = "2",
    .respond = respond,
    .stream_start = stream_start,
    .stream_write = stream_write,
    .stream_end = stream_end,
    .cancel = cancel,
    .format_peer = format_peer,
    .get_conn = get_conn,
    .recycle = http2_life_recycle,
    .consume = consume,
    .stream_end_with = stream_end_with,
    .reset = break_off,
    .may_queue = may_queue,
};
