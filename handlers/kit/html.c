/* SPDX-License-Identifier: MIT
 *
 * html.c - escapes characters that HTML gives a meaning.
 */
#include "handlers/kit/html.h"

#include "core/base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

static void append_ascii(struct buf *page, char c)
{
    switch (c) {
    case '&':
        buf_append_cstr(page, "&amp;");
        break;
    case '<':
        buf_append_cstr(page, "&lt;");
        break;
    case '>':
        buf_append_cstr(page, "&gt;");
        break;
    case '"':
        buf_append_cstr(page, "&#34;");
        break;
    case '\'':
        buf_append_cstr(page, "&#39;");
        break;
    default:
        if (((unsigned char)c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            buf_append_cstr(page, REPLACEMENT);
        } else {
            buf_append_char(page, c);
        }
    }
}

void html_append(struct buf *page, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        if ((unsigned char)text.ptr[i] < 0x80) {
            append_ascii(page, text.ptr[i]);
            i++;
            continue;
        }
        const size_t len = utf8_len((struct str){text.ptr + i, text.len - i});
        if (len == 0) {
            buf_append_cstr(page, REPLACEMENT);
        } else {
            buf_append(page, text.ptr + i, len);
        }
        i += len == 0 ? 1 : len;
    }
}
