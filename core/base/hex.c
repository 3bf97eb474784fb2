/* SPDX-License-Identifier: MIT
 *
 * hex.c - encodes and decodes four bits a digit, the highest first.
 */
#include "core/base/hex.h"

void hex_encode(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = hex_digit(bytes[i] >> 4);
        out[2 * i + 1] = hex_digit(bytes[i]);
    }
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_value_any(char c)
{
    return hex_value(c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c);
}
