/* SPDX-License-Identifier: MIT
 *
 * redis_command.c - "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
 */
#include "core/redis/redis_command.h"

#define FRAME_BYTES 25 /* of an argument: "$", 20 digits, CR LF twice */

size_t redis_command_bound(const struct str *args, size_t count, size_t max_bytes)
{
    size_t bound = FRAME_BYTES;
    for (size_t i = 0; i < count && bound <= max_bytes; i++) {
        if (args[i].len > max_bytes) {
            return SIZE_MAX;
        }
        bound += args[i].len + FRAME_BYTES;
    }
    return bound <= max_bytes ? bound : SIZE_MAX;
}

static char *put_number(char *out, char kind, uint64_t value)
{
    *out++ = kind;
    out += str_format_u64(out, value);
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

static char *put_arg(char *out, struct str arg)
{
    out = put_number(out, '$', arg.len);
    out = str_put(out, arg);
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

size_t redis_command_put(char *out, const struct str *args, size_t count)
{
    char *end = put_number(out, '*', count);
    for (size_t i = 0; i < count; i++) {
        end = put_arg(end, args[i]);
    }
    return (size_t)(end - out);
}
