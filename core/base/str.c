/* SPDX-License-Identifier: MIT
 *
 * str.c - comparing, trimming and converting byte views.
 */
#include "core/base/str.h"

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* skip_equal counts the words that are the same as they stand: most names are. */
static size_t skip_equal(const char *a, const char *b, size_t len)
{
    size_t at = 0;
    uint64_t in_a = 0;
    uint64_t in_b = 0;
    while (len - at >= sizeof(in_a) && in_a == in_b) {
        memcpy(&in_a, a + at, sizeof(in_a));
        memcpy(&in_b, b + at, sizeof(in_b));
        at += in_a == in_b ? sizeof(in_a) : 0;
    }
    return at;
}

bool str_folds_equal(const char *a, const char *b, size_t len)
{
    for (size_t i = skip_equal(a, b, len); i < len; i++) {
        if (a[i] != b[i] && fold(a[i]) != fold(b[i])) {
            return false;
        }
    }
    return true;
}

bool str_equal_secret(struct str secret, struct str b)
{
    unsigned char diff = secret.len == b.len ? 0 : 1;
    for (size_t i = 0; i < b.len; i++) {
        const char c = i < secret.len ? secret.ptr[i] : 0;
        diff = (unsigned char)(diff | (c ^ b.ptr[i]));
    }
    return diff == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool str_parse_u64(struct str s, uint64_t max, uint64_t *ret_value)
{
    if (s.len == 0) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        const unsigned digit = (unsigned char)s.ptr[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    if (value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

size_t str_format_u64(char *out, uint64_t value)
{
    size_t len = 1;
    for (uint64_t rest = value; rest >= 10; rest /= 10) {
        len++;
    }
    for (size_t i = len; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return len;
}

size_t str_format_i64(char *out, int64_t value)
{
    if (value >= 0) {
        return str_format_u64(out, (uint64_t)value);
    }
    out[0] = '-';
    return 1 + str_format_u64(out + 1, 0 - (uint64_t)value);
}

bool str_next_field(struct str *rest, char sep, struct str *ret_field)
{
    if (rest->ptr == NULL) {
        return false;
    }
    const char *end = rest->len == 0 ? NULL : memchr(rest->ptr, sep, rest->len);
    if (end == NULL) {
        *ret_field = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    const size_t len = (size_t)(end - rest->ptr);
    *ret_field = (struct str){rest->ptr, len};
    *rest = (struct str){end + 1, rest->len - len - 1};
    return true;
}

uint64_t str_hash(struct str s)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a 64: offset basis and prime */
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.ptr[i]) * UINT64_C(1099511628211);
    }
    return hash ^ (hash >> 32);
}
