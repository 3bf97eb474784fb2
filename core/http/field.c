/* SPDX-License-Identifier: MIT
 *
 * field.c - finds fields of requests, checks texts before they are sent or trusted, and has the
 *           fields that answers of several rooms share.
 */
#include <string.h>

#include "core/http/http.h"

const struct http_header http_retry_after_1_s = {STR("Retry-After"), STR("1")};
const struct http_header http_bearer_challenge = {STR("WWW-Authenticate"),
                                                  STR("Bearer realm=\"toq\"")};

struct str http_header_get(const struct http_request *req, struct str name)
{
    for (size_t i = 0; i < req->header_count; i++) {
        if (str_equal_nocase(req->headers[i].name, name)) {
            return req->headers[i].value;
        }
    }
    return (struct str){NULL, 0};
}

int http_header_join(struct http_request *req, struct str name, struct str *ret_value)
{
    const struct str first = http_header_get(req, name);
    size_t len = 0;
    for (size_t i = 0; first.ptr != NULL && i < req->header_count; i++) {
        if (str_equal_nocase(req->headers[i].name, name)) {
            len += req->headers[i].value.len + 1;
        }
    }
    if (len <= first.len + 1) {
        *ret_value = first;
        return 0;
    }
    char *joined = arena_alloc(&req->arena, len);
    if (joined == NULL) {
        return UV_ENOMEM;
    }
    char *end = joined;
    for (size_t i = 0; i < req->header_count; i++) {
        if (str_equal_nocase(req->headers[i].name, name)) {
            end = str_put(end, req->headers[i].value);
            *end++ = ',';
        }
    }
    *ret_value = (struct str){joined, len - 1};
    return 0;
}

#define EACH_BYTE(b) ((b)*UINT64_C(0x0101010101010101))

/* has_control tells whether one of eight bytes is below ' ' or DEL: a byte that a subtraction takes
 * below zero gets its high bit, and had none before. */
static bool has_control(uint64_t bytes)
{
    const uint64_t from_del = bytes ^ EACH_BYTE(0x7F);
    const uint64_t below_space = (bytes - EACH_BYTE(' ')) & ~bytes;
    const uint64_t is_del = (from_del - EACH_BYTE(1)) & ~from_del;
    return ((below_space | is_del) & EACH_BYTE(0x80)) != 0;
}

static bool has_control_at(const char *at)
{
    uint64_t bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return has_control(bytes);
}

/* A CR or LF in a field would let a peer start a field, or an answer, of its own. */
bool http_is_safe(struct str s)
{
    const size_t step = sizeof(uint64_t);
    if (s.len >= step) { /* the last step looks again at bytes of the one before it */
        bool is_safe = !has_control_at(s.ptr + s.len - step);
        for (size_t i = 0; i + step < s.len; i += step) {
            is_safe = is_safe && !has_control_at(s.ptr + i);
        }
        return is_safe;
    }
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

/* http_is_host uses a table, since every request has a Host: the bytes of RFC 3986 3.2.2 but for
 * ',', which would make a list of hosts. */
bool http_is_host(struct str host)
{
    static const bool is_host_byte[256] = {
        ['!'] = true,         ['$' ... '+'] = true, ['-' ... '.'] = true, ['0' ... ';'] = true,
        ['='] = true,         ['A' ... '['] = true, [']'] = true,         ['_'] = true,
        ['a' ... 'z'] = true, ['~'] = true,
    };
    bool is_host = true;
    for (size_t i = 0; i < host.len; i++) {
        is_host &=
            is_host_byte[(unsigned char)host.ptr[i]]; /* nearly all are: no branch for each */
    }
    return is_host;
}
