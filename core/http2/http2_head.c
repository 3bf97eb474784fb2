/* SPDX-License-Identifier: MIT
 *
 * http2_head.c - makes a request of the fields that nghttp2 has decoded and checked.
 *
 * nghttp2 resets a stream whose head is malformed (RFC 9113 8.1.1): names in upper case, bad or
 * doubled pseudo-headers, connection-specific fields, TE, a Content-Length that is not the body's.
 * Checked here is what gets an answer: limits, and the form of target and host.
 */
#include "core/http2/http2_session.h"

#define FIRST_FIELDS 16

static void refuse(struct http2_stream *st, int status, const char *detail)
{
    if (st->fault_status == 0) {
        st->fault_status = status;
        st->fault_detail = detail;
    }
}

/* --- fields --- */

static bool grow_fields(struct http2_stream *st)
{
    struct http_request *req = &st->req;
    const size_t cap = st->header_cap == 0 ? FIRST_FIELDS : 2 * st->header_cap;
    struct http_header *headers = arena_alloc(&req->arena, cap * sizeof(headers[0]));
    if (headers == NULL) {
        return false;
    }
    if (req->header_count > 0) {
        memcpy(headers, req->headers, req->header_count * sizeof(headers[0]));
    }
    req->headers = headers;
    st->header_cap = cap;
    return true;
}

static struct http_header *find_field(struct http_request *req, struct str name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (str_equal(req->headers[i].name, name)) {
            return &req->headers[i];
        }
    }
    return NULL;
}

static void put_field(struct http2_stream *st, struct str name, struct str value)
{
    struct http_request *req = &st->req;
    if (req->header_count == req->server->limits.header_count) {
        refuse(st, 431, "too many header fields");
        return;
    }
    if (req->header_count == st->header_cap && !grow_fields(st)) {
        refuse(st, 503, "out of memory");
        return;
    }
    req->headers[req->header_count++] = (struct http_header){name, value};
}

/* add_cookie joins cookies that came in several fields (RFC 9113 8.2.3). There may be hundreds, so
 * the room doubles. */
static void add_cookie(struct http2_stream *st, struct http_header *first, struct str more)
{
    const size_t len = first->value.len + 2 + more.len;
    if (len > st->cookie_cap) {
        char *room = arena_alloc(&st->req.arena, 2 * len);
        if (room == NULL) {
            refuse(st, 503, "out of memory");
            return;
        }
        (void)str_put(room, first->value);
        st->cookie = room;
        st->cookie_cap = 2 * len;
    }
    (void)str_put(str_put(st->cookie + first->value.len, STR("; ")), more);
    first->value = (struct str){st->cookie, len};
}

static enum http_method find_method(struct str name)
{
    for (int m = METHOD_OTHER + 1; m < METHOD_COUNT; m++) {
        if (str_equal(name, str_from(http_method_name((enum http_method)m)))) {
            return (enum http_method)m;
        }
    }
    return METHOD_OTHER;
}

/* add_host keeps one host, from :authority or the Host field. */
static void add_host(struct http2_stream *st, struct str value)
{
    if (st->req.host.ptr != NULL) {
        if (!str_equal(st->req.host, value)) {
            refuse(st, 400, "the Host field is not the authority");
        }
        return;
    }
    if (!http_is_host(value)) {
        refuse(st, 400, "a malformed authority");
        return;
    }
    st->req.host = value;
    put_field(st, STR("host"), value);
}

static void add_pseudo(struct http2_stream *st, struct str name, struct str value)
{
    if (str_equal(name, STR(":path"))) {
        st->req.target = value;
    } else if (str_equal(name, STR(":method"))) {
        st->req.method = find_method(value);
    } else if (str_equal(name, STR(":authority"))) {
        add_host(st, value);
    }
}

static void add_regular(struct http2_stream *st, struct str name, struct str value)
{
    struct http_header *cookie = str_equal(name, STR("cookie")) ? find_field(&st->req, name) : NULL;
    if (cookie != NULL) {
        add_cookie(st, cookie, value);
    } else if (str_equal(name, STR("host"))) {
        add_host(st, value);
    } else {
        put_field(st, name, value);
    }
    if (str_equal(name, STR("expect"))) {
        st->is_expecting = str_equal_nocase(value, STR("100-continue"));
        if (!st->is_expecting) {
            refuse(st, 417, "an unknown expectation");
        }
    }
}

/* copy_field keeps a field in one piece: name and value, a NUL behind each. */
static bool copy_field(struct arena *arena, struct str name, struct str value, struct str *ret_copy)
{
    char *out = arena_alloc(arena, name.len + value.len + 2);
    if (out == NULL) {
        return false;
    }
    memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    memcpy(out + name.len + 1, value.ptr, value.len);
    out[name.len + 1 + value.len] = '\0';
    *ret_copy = (struct str){out, name.len + value.len + 2};
    return true;
}

void http2_head_add(struct http2_stream *st, struct str name, struct str value)
{
    st->header_bytes += name.len + value.len + HTTP2_FIELD_BYTES;
    if (st->header_bytes > st->req.server->limits.header_bytes) {
        refuse(st, 431, "the header block is too big");
    }
    if (st->fault_status != 0) {
        return; /* the rest is decoded and dropped */
    }
    struct str copy; /* of both, a NUL behind each */
    if (!copy_field(&st->req.arena, name, value, &copy)) {
        refuse(st, 503, "out of memory");
        return;
    }
    const struct str own_name = {copy.ptr, name.len};
    const struct str own_value = {copy.ptr + name.len + 1, value.len};
    if (name.len > 0 && name.ptr[0] == ':') {
        add_pseudo(st, own_name, own_value);
    } else {
        add_regular(st, own_name, own_value);
    }
}

/* --- the target --- */

/* is_ascii: nghttp2 accepts bytes that no URI may have. */
static bool is_ascii(struct str s)
{
    unsigned char all = 0;
    for (size_t i = 0; i < s.len; i++) {
        all |= (unsigned char)s.ptr[i];
    }
    return all < 0x80;
}

static void split_target(struct http2_stream *st)
{
    struct http_request *req = &st->req;
    if (req->target.len > req->server->limits.target_bytes) {
        refuse(st, 414, "the request target is too long");
    }
    const char *wrong = is_ascii(req->target) ? http_request_split(req, req->target)
                                              : "a byte above ASCII in the request target";
    if (wrong != NULL) {
        refuse(st, 400, wrong);
    }
}

static void check_length(struct http2_stream *st)
{
    const struct http_request *req = &st->req;
    const struct str text = http_header_get(req, STR("content-length"));
    uint64_t length = 0;
    if (text.ptr == NULL || (req->route->flags & ROUTE_STREAM) != 0) {
        return;
    }
    if (!str_parse_u64(text, UINT64_MAX, &length) || length > req->server->limits.body_bytes) {
        refuse(st, 413, NULL);
    }
}

void http2_head_finish(struct http2_stream *st)
{
    split_target(st);
    if (st->fault_status != 0) {
        return;
    }
    const int rc = http_request_route(&st->req);
    if (rc == UV_EINVAL) {
        refuse(st, 400, "a bad escape in the path");
    } else if (rc < 0) {
        refuse(st, 503, "out of memory");
    } else {
        check_length(st);
    }
}
