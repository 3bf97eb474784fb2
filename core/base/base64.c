/* SPDX-License-Identifier: MIT
 *
 * base64.c - encodes and decodes six bits a digit, the highest first.
 */
#include "core/base/base64.h"

static const char alphabets[][65] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

size_t base64_encode(enum base64_form form, struct str bytes, char *out)
{
    const char *digits = alphabets[form];
    size_t len = 0;
    uint32_t bits = 0; /* not yet written: the lowest bit_count */
    unsigned bit_count = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (uint8_t)bytes.ptr[i];
        for (bit_count += 8; bit_count >= 6; bit_count -= 6) {
            out[len++] = digits[bits >> (bit_count - 6) & 63];
        }
    }
    if (bit_count > 0) {
        out[len++] = digits[bits << (6 - bit_count) & 63];
    }
    return len;
}

static int digit_of(enum base64_form form, char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == alphabets[form][62]) {
        return 62;
    }
    return c == alphabets[form][63] ? 63 : -1;
}

/* cut_padding drops the padding of a text that has all of it, and may have it. */
static struct str cut_padding(enum base64_form form, struct str text)
{
    if (form == BASE64_STANDARD && text.len > 0 && text.len % 4 == 0) {
        for (int i = 0; i < 2 && text.ptr[text.len - 1] == '='; i++) {
            text.len--;
        }
    }
    return text;
}

bool base64_is_valid(enum base64_form form, struct str text)
{
    static const int unused_bits[] = {0, 0, 15,
                                      3}; /* of the last digit, by digits behind the last four */
    int digit = 0;
    text = cut_padding(form, text);
    for (size_t i = 0; i < text.len; i++) {
        digit = digit_of(form, text.ptr[i]);
        if (digit < 0) {
            return false;
        }
    }
    const size_t rest = text.len % 4;
    return rest != 1 && (form == BASE64_STANDARD || (digit & unused_bits[rest]) == 0);
}

bool base64_decode(enum base64_form form, struct str text, void *out, size_t *ret_len)
{
    if (!base64_is_valid(form, text)) {
        return false;
    }
    text = cut_padding(form, text);
    uint8_t *bytes = out;
    size_t len = 0;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        bits = bits << 6 | (uint32_t)digit_of(form, text.ptr[i]);
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            bytes[len++] = (uint8_t)(bits >> bit_count);
        }
    }
    *ret_len = len;
    return true;
}
