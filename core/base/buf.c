/* SPDX-License-Identifier: MIT
 *
 * buf.c - growing by doubling up to the maximum; formatting straight into the spare room.
 */
#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/utf8.h"

#define FIRST_CAP_BYTES 256

void buf_init(struct buf *b, size_t max_bytes)
{
    buf_init_charged(b, max_bytes, NULL);
}

void buf_init_charged(struct buf *b, size_t max_bytes, struct quota *quota)
{
    *b = (struct buf){.max_bytes = max_bytes, .quota = quota};
}

void buf_deinit(struct buf *b)
{
    const struct buf old = *b;
    buf_init_charged(b, old.max_bytes, old.quota);
    if (old.cap > 0) { /* most of a request's have stayed empty */
        free(old.data);
        quota_release(old.quota, old.cap);
    }
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->is_failed = false;
}

/* grow: the old memory and the new one exist at once while realloc copies, which is not charged. */
static bool grow(struct buf *b, size_t cap)
{
    const size_t more = cap - b->cap;
    char *data = quota_realloc(b->quota, b->data, cap, more, QUOTA_NORMAL);
    if (data == NULL) {
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

static __attribute__((noinline)) bool make_room(struct buf *b, size_t more)
{
    if (b->is_failed || more > b->max_bytes - b->len) {
        b->is_failed = true;
        return false;
    }
    const size_t need = b->len + more;
    size_t cap = b->cap == 0 ? FIRST_CAP_BYTES : b->cap;
    while (cap <= need) {
        cap *= 2;
    }
    b->is_failed = !grow(b, cap);
    return !b->is_failed;
}

/* reserve makes room for `more` bytes behind len and for a NUL behind them, which vsnprintf writes;
 * or it marks the buffer failed. Inline: a text is built of many short pieces. */
static inline __attribute__((always_inline)) bool reserve(struct buf *b, size_t more)
{
    const bool has_room = b->cap - b->len > more && b->max_bytes - b->len >= more;
    return LIKELY(has_room && !b->is_failed) || make_room(b, more);
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len > 0 && reserve(b, len)) {
        memcpy(b->data + b->len, data, len);
        b->len += len;
    }
}

void buf_append_str(struct buf *b, struct str s)
{
    buf_append(b, s.ptr, s.len);
}

void buf_append_char(struct buf *b, char c)
{
    if (reserve(b, 1)) {
        b->data[b->len++] = c;
    }
}

void buf_append_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    buf_append(b, digits, str_format_u64(digits, value));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        b->is_failed = true;
    } else if (reserve(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

static bool is_json_escaped(char c)
{
    return c == '"' || c == '\\' || (unsigned char)c < 0x20 || c == 0x7F;
}

static void append_json_escape(struct buf *b, char c)
{
    if (c == '"' || c == '\\') {
        buf_append_char(b, '\\');
        buf_append_char(b, c);
    } else if (c == '\n') {
        buf_append_cstr(b, "\\n");
    } else {
        buf_printf(b, "\\u%04x", (unsigned char)c);
    }
}

/* plain_len counts the bytes at the start of `s` that JSON takes as they are; in most texts nothing
 * else comes before the end. Eight at a time: a byte below 0x20 borrows and one above 0x7E carries
 * into its top bit, and so does a quote or a backslash once it is made zero. */
static size_t plain_len(struct str s)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    size_t len = 0;
    for (uint64_t eight; s.len - len >= sizeof(eight); len += sizeof(eight)) {
        memcpy(&eight, s.ptr + len, sizeof(eight));
        const uint64_t odd = (eight - 0x20 * each) | (eight + each) | eight |
                             ((eight ^ '"' * each) - each) | ((eight ^ '\\' * each) - each);
        if ((odd & 0x80 * each) != 0) {
            break;
        }
    }
    while (len < s.len && (unsigned char)s.ptr[len] < 0x80 && !is_json_escaped(s.ptr[len])) {
        len++;
    }
    return len;
}

void buf_append_json(struct buf *b, struct str s)
{
    size_t start = 0; /* of the run that goes in as it is */
    size_t i = 0;
    if (!reserve(b, s.len + 2)) { /* at least that much */
        return;
    }
    b->data[b->len++] = '"';
    while (i < s.len) {
        i += plain_len((struct str){s.ptr + i, s.len - i});
        if (i == s.len) {
            break;
        }
        const size_t len = utf8_len((struct str){s.ptr + i, s.len - i});
        if (len > 1) {
            i += len;
            continue;
        }
        buf_append(b, s.ptr + start, i - start);
        if (len == 0) {
            buf_append_cstr(b, "\xEF\xBF\xBD"); /* U+FFFD */
        } else {
            append_json_escape(b, s.ptr[i]);
        }
        start = ++i;
    }
    if (start < s.len) {
        buf_append(b, s.ptr + start, s.len - start);
    }
    buf_append_char(b, '"');
}

void buf_consume(struct buf *b, size_t len)
{
    REQUIRE(len <= b->len);
    if (len > 0) {
        memmove(b->data, b->data + len, b->len - len);
        b->len -= len;
    }
}

char *buf_steal(struct buf *b)
{
    char *data = b->data;
    quota_release(b->quota, b->cap); /* they are the caller's to charge */
    buf_init_charged(b, b->max_bytes, b->quota);
    return data;
}
