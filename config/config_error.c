/* SPDX-License-Identifier: MIT
 *
 * config_error.c - formats into the caller's buffer; the text is safe to print on a terminal.
 */
#include "config/config_error.h"

#include <stdarg.h>
#include <stdio.h>

#define SHOWN_BYTES 80

bool config_error_set(char *error, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(error, CONFIG_ERROR_BYTES, fmt, args);
    va_end(args);
    for (unsigned char *p = (unsigned char *)error; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7F) {
            *p = '?';
        }
    }
    return false;
}

struct str config_error_clip(struct str value)
{
    return (struct str){value.ptr, value.len < SHOWN_BYTES ? value.len : SHOWN_BYTES};
}
