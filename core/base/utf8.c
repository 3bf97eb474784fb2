/* SPDX-License-Identifier: MIT
 *
 * utf8.c - sequences are judged by their first byte and the range that it leaves to the second.
 */
#include "core/base/utf8.h"

size_t utf8_len(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    if (p[0] < 0x80) {
        return 1;
    }
    size_t len;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        len = 2;
    } else if ((p[0] & 0xF0) == 0xE0) {
        len = 3;
        low = p[0] == 0xE0 ? 0xA0 : low;   /* no overlong form */
        high = p[0] == 0xED ? 0x9F : high; /* no surrogate */
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        len = 4;
        low = p[0] == 0xF0 ? 0x90 : low;
        high = p[0] == 0xF4 ? 0x8F : high; /* not above U+10FFFF */
    } else {
        return 0;
    }
    if (len > s.len || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool utf8_count(struct str s, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < s.len; count++) {
        const size_t len = utf8_len((struct str){s.ptr + i, s.len - i});
        if (len == 0) {
            return false;
        }
        i += len;
    }
    *ret_count = count;
    return true;
}
