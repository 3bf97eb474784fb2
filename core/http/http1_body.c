/* SPDX-License-Identifier: MIT
 *
 * http1_body.c - the bytes of a request's body: counted, kept when the handler wants them.
 *
 * A chunked body goes through llhttp, which tells where the data is. What lies between - sizes,
 * extensions, trailers - is the framing, and a guard of our own walks over it: every line ends in
 * CRLF, no other control byte, no folded trailer, and no more of it than HTTP1_FRAMING_MAX_BYTES in
 * one run.
 */
#include "core/http/http1_exchange.h"

static int refuse(struct http1_exchange *ex, int status, const char *detail)
{
    ex->fault = (struct http1_fault){status, detail};
    return -1;
}

static int keep(struct http1_exchange *ex, const char *data, size_t len)
{
    if (ex->is_body_wanted) {
        buf_append(&ex->body, data, len);
        if (ex->body.is_failed) {
            return refuse(ex, 503, "out of memory");
        }
    }
    return 0;
}

/* guard_framing checks the bytes from where the last data ended up to `to`. */
static int guard_framing(struct http1_exchange *ex, const char *to)
{
    for (const char *p = ex->framing_from; p < to; p++) {
        const unsigned char c = (unsigned char)*p;
        if ((c == '\n') != (ex->framing_last == '\r')) {
            return refuse(ex, 400, "a bare CR or LF in the body's framing");
        }
        if (ex->framing_last == '\n' && (c == ' ' || c == '\t')) {
            return refuse(ex, 400, "a folded trailer field");
        }
        if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c == 0x7F) {
            return refuse(ex, 400, "a control byte in the body's framing");
        }
        ex->framing_last = (char)c;
    }
    ex->framing_bytes += (size_t)(to - ex->framing_from);
    if (ex->framing_bytes > HTTP1_FRAMING_MAX_BYTES) {
        return refuse(ex, 400, "the body's framing is too big");
    }
    ex->framing_from = to;
    return 0;
}

int http1_body_take(struct http1_exchange *ex, const char *data, size_t len)
{
    if (guard_framing(ex, data) != 0) {
        return -1;
    }
    ex->framing_from = data + len;
    ex->framing_bytes = 0;
    ex->framing_last = '\0'; /* whatever the data ended in is not the framing's */
    ex->body_seen_bytes += len;
    return keep(ex, data, len);
}

int http1_body_chunk(struct http1_exchange *ex, uint64_t len)
{
    /* every chunk is weighed before its data, so what has been seen is within the limit */
    return len > ex->req.server->limits.body_bytes - ex->body_seen_bytes ? refuse(ex, 413, NULL)
                                                                         : 0;
}

int http1_body_extension(struct http1_exchange *ex, size_t len)
{
    ex->extension_bytes += len;
    if (ex->extension_bytes > HTTP1_FRAMING_MAX_BYTES) {
        return refuse(ex, 400, "the chunk extensions are too big");
    }
    return 0;
}

static size_t feed_chunked(struct http1_exchange *ex, const char *data, size_t len)
{
    ex->framing_from = data;
    const llhttp_errno_t error = llhttp_execute(&ex->parser, data, len);
    if (ex->fault.status != 0) {
        return 0;
    }
    const char *end = error == HPE_OK ? data + len : llhttp_get_error_pos(&ex->parser);
    if (error != HPE_OK && error != HPE_PAUSED) {
        (void)refuse(ex, 400, llhttp_get_error_reason(&ex->parser));
        return 0;
    }
    return guard_framing(ex, end) == 0 ? (size_t)(end - data) : 0;
}

size_t http1_body_feed(struct http1_exchange *ex, const char *data, size_t len)
{
    if (ex->body_kind == BODY_CHUNKED) {
        return feed_chunked(ex, data, len);
    }
    const size_t take = len < ex->body_left_bytes ? len : (size_t)ex->body_left_bytes;
    if (keep(ex, data, take) != 0) {
        return 0;
    }
    ex->body_left_bytes -= take;
    ex->is_body_done = ex->body_left_bytes == 0;
    return take;
}
