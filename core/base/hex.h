/* SPDX-License-Identifier: MIT
 *
 * hex.h - bytes as hexadecimal digits in lower case, as ids have them, and back.
 *
 * Thread: any.
 */
#ifndef TOQ_CORE_BASE_HEX_H
#define TOQ_CORE_BASE_HEX_H

#include "core/base/base.h"

/* hex_digit is the digit of a value below 16. */
static inline char hex_digit(unsigned value)
{
    return "0123456789abcdef"[value & 15];
}

/* hex_encode writes two digits for each byte, without a NUL.
 *
 * out: 2 * size of room.
 */
void hex_encode(const uint8_t *bytes, size_t size, char *out);

/* hex_values is 1 more than what each byte stands for; 0: it is no digit in lower case. */
extern const uint8_t hex_values[256];

/* hex_value is what a digit in lower case stands for; -1 for all else. */
static inline int hex_value(char c)
{
    return hex_values[(unsigned char)c] - 1;
}

/* hex_value_any is hex_value, and takes digits in upper case, too. */
int hex_value_any(char c);

#endif
