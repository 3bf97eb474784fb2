/* SPDX-License-Identifier: MIT
 *
 * target.c - a request's target: its path and query, and percent escapes.
 */
#include <string.h>

#include "core/base/hex.h"
#include "core/http/request.h"

const char *http_request_split(struct http_request *req, struct str rest)
{
    const struct str target = req->target;
    if (target.len > 0 && memchr(target.ptr, '#', target.len) != NULL) {
        return "a fragment in the request target";
    }
    const bool is_asterisk = req->method == METHOD_OPTIONS && rest.len == 1 && rest.ptr[0] == '*';
    if (req->method == METHOD_OTHER) {
        rest = STR("/"); /* CONNECT has no path; the answer is 501 whatever the target says */
    } else if (!is_asterisk && (rest.len == 0 || rest.ptr[0] != '/')) {
        return "the request target is not a path";
    }
    const char *mark = memchr(rest.ptr, '?', rest.len);
    req->path = rest;
    req->query = STR("");
    if (mark != NULL) {
        req->path.len = (size_t)(mark - rest.ptr);
        req->query = (struct str){mark + 1, rest.len - req->path.len - 1};
    }
    return NULL;
}

/* decode_escape reads the two digits behind a '%'. Returns: the byte; -1: a bad escape, or NUL. */
static int decode_escape(struct str digits)
{
    if (digits.len < 2) {
        return -1;
    }
    const int high = hex_value_any(digits.ptr[0]);
    const int low = hex_value_any(digits.ptr[1]);
    return high < 0 || low < 0 || (high | low) == 0 ? -1 : high * 16 + low;
}

/* decode_into decodes `s` to `out`, which has room for as many bytes.
 *
 * Returns: true with *ret_len set; false for a bad escape. */
static bool decode_into(char *out, struct str s, bool is_plus_space, size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        int c = (unsigned char)s.ptr[i];
        if (c == '%') {
            c = decode_escape((struct str){s.ptr + i + 1, s.len - i - 1});
            if (c < 0) {
                return false;
            }
            i += 2;
        } else if (c == '+' && is_plus_space) {
            c = ' ';
        }
        out[len++] = (char)c;
    }
    *ret_len = len;
    return true;
}

int http_decode(struct arena *arena, struct str s, bool is_plus_space, struct str *ret_decoded)
{
    if (s.len == 0 || (memchr(s.ptr, '%', s.len) == NULL &&
                       (!is_plus_space || memchr(s.ptr, '+', s.len) == NULL))) {
        *ret_decoded = s;
        return 0;
    }
    char *out = arena_alloc(arena, s.len);
    size_t len;
    if (out == NULL) {
        return UV_ENOMEM;
    }
    if (!decode_into(out, s, is_plus_space, &len)) {
        return UV_EINVAL;
    }
    *ret_decoded = (struct str){out, len};
    return 0;
}

/* --- query parameters --- */

/* put_decoded writes a name or a value and a NUL; no decoded text contains one.
 *
 * Returns: how many bytes. */
static size_t put_decoded(char *out, struct str s)
{
    size_t len;
    if (!decode_into(out, s, true, &len)) {
        memcpy(out, s.ptr, s.len); /* a bad escape stands as it is */
        len = s.len;
    }
    out[len] = '\0';
    return len + 1;
}

int http_request_decode_query(struct http_request *req)
{
    struct str rest = req->query;
    struct str field;
    struct str name;
    if (rest.len == 0) {
        return 0;
    }
    /* at worst a field of one byte and the '&' behind it become that byte and two NULs */
    char *out = arena_alloc(&req->arena, 2 * (rest.len + 1));
    if (out == NULL) {
        return UV_ENOMEM;
    }
    size_t len = 0;
    while (str_next_field(&rest, '&', &field)) {
        if (field.len > 0 && str_next_field(&field, '=', &name)) {
            len += put_decoded(out + len, name);
            len += put_decoded(out + len, field.ptr == NULL ? STR("") : field);
        }
    }
    req->parameters = (struct str){out, len};
    return 0;
}

bool http_query_next(struct str *rest, struct str *ret_name, struct str *ret_value)
{
    return rest->len > 0 && str_next_field(rest, '\0', ret_name) &&
           str_next_field(rest, '\0', ret_value);
}

bool http_query_get(const struct http_request *req, struct str name, struct str *ret_value)
{
    struct str rest = req->parameters;
    struct str key;
    struct str value;
    while (http_query_next(&rest, &key, &value)) {
        if (str_equal(key, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool http_query_has_twice(const struct http_request *req)
{
    struct str names[HTTP_QUERY_PARAMETERS_MAX];
    struct str rest = req->parameters;
    struct str name;
    struct str value;
    for (size_t count = 0; http_query_next(&rest, &name, &value); count++) {
        for (size_t i = 0; i < count; i++) {
            if (str_equal(names[i], name)) {
                return true;
            }
        }
        if (count == HTTP_QUERY_PARAMETERS_MAX) {
            return true;
        }
        names[count] = name;
    }
    return false;
}
