/* SPDX-License-Identifier: MIT
 *
 * http1_send.c - answers as bytes. Head and body are written into one piece of the output queue: so
 * both, and those of pipelined requests, go out in one write, and an answer for which memory is
 * missing leaves nothing behind.
 */
#include "core/http1/http1_exchange.h"

#include "core/base/hex.h"
#include "core/http/http_field.h"

/* Status line, Date, Content-Length, Connection, Transfer-Encoding, empty line, generously. */
#define FIXED_HEAD_BYTES 256

static char *put_field(char *out, struct str name, struct str value)
{
    out = str_put(out, name);
    out = str_put(out, STR(": "));
    out = str_put(out, value);
    return str_put(out, STR("\r\n"));
}

static size_t head_bound(const struct http_response *response)
{
    size_t bound = FIXED_HEAD_BYTES;
    bound += response->content_type == NULL ? 0 : strlen(response->content_type);
    for (size_t i = 0; i < response->header_count; i++) {
        bound += response->headers[i].name.len + response->headers[i].value.len + 4;
    }
    return bound;
}

static char *put_status_line(char *out, int status)
{
    if (status == 200) {
        return str_put(out, STR("HTTP/1.1 200 OK\r\n"));
    }
    out = str_put(out, STR("HTTP/1.1 "));
    out += str_format_u64(out, (uint64_t)status);
    *out++ = ' ';
    out = str_put(out, str_from(http_status_reason(status)));
    return str_put(out, STR("\r\n"));
}

/* put_head writes the head without the fields that frame the body, and without the empty line. */
static char *put_head(char *out, const struct http1_exchange *ex,
                      const struct http_response *response)
{
    out = put_status_line(out, response->status);
    out = str_put(out, STR("Date: "));
    out = str_put(out, loop_http_date(ex->req.server->loop));
    out = str_put(out, STR("\r\n"));
    const struct str type = str_from(response->content_type == NULL ? "" : response->content_type);
    if (type.len > 0 && http_field_check_type(type)) {
        out = put_field(out, STR("Content-Type"), type);
    }
    for (size_t i = 0; i < response->header_count; i++) {
        const struct http_header h = response->headers[i];
        if (http_field_check(h.name, h.value)) {
            out = put_field(out, h.name, h.value);
        }
    }
    if (!ex->is_keep_alive) {
        out = str_put(out, STR("Connection: close\r\n"));
    } else if (ex->req.version_minor == 0) {
        out = str_put(out, STR("Connection: keep-alive\r\n"));
    }
    return out;
}

static int send_whole(struct http1_exchange *ex, const struct http_response *response)
{
    struct conn *conn = ex->h1->conn;
    const bool has_body = http_status_has_body(response->status);
    const bool is_body_sent = ex->req.method != METHOD_HEAD && has_body;
    const struct str body = is_body_sent ? response->body : STR("");
    char *start = conn_reserve(conn, head_bound(response) + body.len);
    if (start == NULL) {
        return UV_ENOMEM;
    }
    char *out = put_head(start, ex, response);
    if (has_body) {
        out = str_put(out, STR("Content-Length: "));
        out += str_format_u64(out, response->body.len);
        out = str_put(out, STR("\r\n"));
    }
    out = str_put(str_put(out, STR("\r\n")), body);
    conn_commit(conn, (size_t)(out - start));
    ex->req.sent_body_bytes = body.len;
    return 0;
}

/* send_response queues a whole answer in one piece, or a 503 when memory is missing.
 *
 * Returns: 0; UV_ENOMEM: not even the 503 could be queued. */
static int send_response(struct http1_exchange *ex, const struct http_response *response)
{
    static const struct http_response shortage = {
        .status = 503,
        .content_type = "text/plain; charset=utf-8",
        .body = {"503 Service Unavailable: out of memory\n", 39},
        .headers = &http_retry_after_1_s,
        .header_count = 1,
    };
    if (LIKELY(send_whole(ex, response) == 0)) {
        return 0;
    }
    ex->req.status = shortage.status;
    return send_whole(ex, &shortage);
}

/* send_stream_head queues the head of an answer of unknown length.
 *
 * Returns: 0; UV_ENOMEM. */
static int send_stream_head(struct http1_exchange *ex, const struct http_response *response)
{
    struct conn *conn = ex->h1->conn;
    ex->is_chunked_answer = ex->req.version_minor == 1 && http_status_has_body(response->status);
    if (ex->req.version_minor == 0) {
        ex->is_keep_alive = false; /* the body ends where the connection does */
    }
    char *start = conn_reserve(conn, head_bound(response));
    if (start == NULL) {
        return UV_ENOMEM;
    }
    char *out = put_head(start, ex, response);
    if (ex->is_chunked_answer) {
        out = str_put(out, STR("Transfer-Encoding: chunked\r\n"));
    }
    out = str_put(out, STR("\r\n"));
    conn_commit(conn, (size_t)(out - start));
    ex->is_chunked_answer = ex->is_chunked_answer && ex->req.method != METHOD_HEAD;
    return 0;
}

static char *put_hex(char *out, size_t value)
{
    char digits[16];
    size_t n = 0;
    do {
        digits[n++] = hex_digit(value % 16);
        value /= 16;
    } while (value > 0);
    while (n > 0) {
        *out++ = digits[--n];
    }
    return out;
}

/* send_chunk queues a piece of a streamed body. Returns: 0; UV_ENOMEM. */
static int send_chunk(const struct http1_exchange *ex, struct str data)
{
    struct conn *conn = ex->h1->conn;
    if (!ex->is_chunked_answer) {
        return conn_write(conn, data.ptr, data.len);
    }
    char *start = conn_reserve(conn, data.len + 20); /* 16 digits, two CRLF */
    if (start == NULL) {
        return UV_ENOMEM;
    }
    char *out = str_put(put_hex(start, data.len), STR("\r\n"));
    out = str_put(str_put(out, data), STR("\r\n"));
    conn_commit(conn, (size_t)(out - start));
    return 0;
}

/* --- answers --- */

/* detach takes the exchange off the connection: the next request may begin. */
static void detach(struct http1_exchange *ex)
{
    struct http1 *h1 = ex->h1;
    h1->exchange = NULL;
    if (h1->phase != PHASE_BROKEN) {
        h1->phase = ex->is_keep_alive ? PHASE_IDLE : PHASE_LAST;
    }
    h1->used_ms = loop_now_ms(h1->server->loop);
    if (!h1->is_feeding) {
        loop_defer(h1->server->loop, &h1->resume);
    }
}

/* break_off ends the connection at once, because bytes could not be queued. on_close abandons a
 * request that is not detached. */
static void break_off(struct http1 *h1)
{
    h1->phase = PHASE_BROKEN;
    if (!h1->is_feeding) {
        loop_defer(h1->server->loop, &h1->resume);
    }
}

static void decide_keep_alive(struct http1_exchange *ex)
{
    ex->is_keep_alive = ex->is_keep_alive && ex->is_body_done && !ex->req.server->is_draining;
}

static bool may_queue(const struct http_request *req, size_t len)
{
    const struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    return conn_may_queue(ex->h1->conn, 0, len);
}

static void respond(struct http_request *req, const struct http_response *response)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    decide_keep_alive(ex);
    if (send_response(ex, response) < 0) {
        break_off(ex->h1);
    }
    detach(ex);
}

static void stream_start(struct http_request *req, const struct http_response *response)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    decide_keep_alive(ex);
    if (send_stream_head(ex, response) < 0) {
        break_off(ex->h1);
    }
}

static bool stream_write(struct http_request *req, struct str data)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    if (req->method == METHOD_HEAD || (req->version_minor == 1 && !ex->is_chunked_answer)) {
        return true; /* HEAD, 204, 304: a body would be read as the next answer */
    }
    if (send_chunk(ex, data) < 0) {
        break_off(ex->h1);
        return true;
    }
    req->sent_body_bytes += data.len;
    return !conn_is_clogged(ex->h1->conn);
}

static void stream_end(struct http_request *req)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    if (ex->is_chunked_answer && conn_write(ex->h1->conn, "0\r\n\r\n", 5) < 0) {
        break_off(ex->h1);
    }
    detach(ex);
}

static void cancel(struct http_request *req, const struct http_response *response)
{
    struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    ex->is_keep_alive = false;
    if (req->life == HTTP_STREAMING || send_response(ex, response) < 0) {
        break_off(ex->h1); /* the only way to show that the rest is missing */
    }
    detach(ex);
}

static void format_peer(const struct http_request *req, char *out)
{
    const struct http1_exchange *ex = CONTAINER_OF(req, struct http1_exchange, req);
    conn_format_peer(ex->h1->conn, out);
}

static const struct conn *get_conn(const struct http_request *req)
{
    return CONTAINER_OF(req, struct http1_exchange, req)->h1->conn;
}

const struct http_transport http1_transport = {
    .version = "1.1",
    .respond = respond,
    .stream_start = stream_start,
    .stream_write = stream_write,
    .stream_end = stream_end,
    .cancel = cancel,
    .format_peer = format_peer,
    .get_conn = get_conn,
    .recycle = http1_recycle,
    .may_queue = may_queue,
};
