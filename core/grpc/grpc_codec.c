/* SPDX-License-Identifier: MIT
 *
 * grpc_codec.c - content type, timeout, metadata, base64, percent-encoding.
 */
#include "core/grpc/grpc_codec.h"

#include "core/base/base64.h"
#include "core/base/utf8.h"
#include "core/http/http_field.h"

#define TIMEOUT_DIGITS_MAX 8
#define REPLACEMENT        "%EF%BF%BD" /* U+FFFD */
#define ESCAPE_BYTES       3           /* "%XX" */

static bool has_prefix(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equal_nocase((struct str){s.ptr, prefix.len}, prefix);
}

bool grpc_is_content_type(struct str value)
{
    const struct str type = STR("application/grpc");
    if (!has_prefix(value, type)) {
        return false;
    }
    return value.len == type.len || value.ptr[type.len] == '+' || value.ptr[type.len] == ';';
}

bool grpc_parse_timeout(struct str value, uint64_t *ret_ns)
{
    static const struct {
        char unit;
        uint64_t ns;
    } units[] = {
        {'H', 3600 * NS_PER_S}, {'M', 60 * NS_PER_S}, {'S', NS_PER_S},
        {'m', NS_PER_MS},       {'u', NS_PER_US},     {'n', 1},
    };
    uint64_t number;
    if (value.len < 2 || value.len > TIMEOUT_DIGITS_MAX + 1 ||
        !str_parse_u64((struct str){value.ptr, value.len - 1}, UINT64_MAX, &number)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (units[i].unit == value.ptr[value.len - 1]) {
            /* 8 digits of hours are 3.6e20 ns, which 64 bits do not hold */
            *ret_ns = number > UINT64_MAX / units[i].ns ? UINT64_MAX : number * units[i].ns;
            return true;
        }
    }
    return false;
}

bool grpc_has_token(struct str list, struct str token)
{
    struct str field;
    while (str_next_field(&list, ',', &field)) {
        if (str_equal_nocase(str_trim(field), token)) {
            return true;
        }
    }
    return false;
}

bool grpc_is_binary_name(struct str name)
{
    return name.len > 4 && memcmp(name.ptr + name.len - 4, "-bin", 4) == 0;
}

bool grpc_is_free_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool is_allowed =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (!is_allowed) {
            return false;
        }
    }
    return name.len > 0 && !http_field_is_own(name) && !str_equal(name, STR("host")) &&
           !has_prefix(name, STR("grpc-"));
}

bool grpc_is_ascii_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < ' ' || value.ptr[i] > '~') { /* so is a byte above 127, signed or not */
            return false;
        }
    }
    return true;
}

/* --- base64 --- */

bool grpc_base64_is_valid(struct str list)
{
    struct str value;
    while (str_next_field(&list, ',', &value)) {
        if (!base64_is_valid(BASE64_STANDARD, str_trim(value))) {
            return false;
        }
    }
    return true;
}

bool grpc_base64_decode(struct arena *arena, struct str value, struct str *ret_bytes)
{
    value = str_trim(value);
    char *out = arena_alloc(arena, BASE64_DECODED_BYTES(value.len));
    size_t len;
    if (out == NULL || !base64_decode(BASE64_STANDARD, value, out, &len)) {
        return false;
    }
    *ret_bytes = (struct str){out, len};
    return true;
}

bool grpc_base64_encode(struct arena *arena, struct str bytes, struct str *ret_value)
{
    char *out = arena_alloc(arena, BASE64_ENCODED_BYTES(bytes.len));
    if (out == NULL) {
        return false;
    }
    *ret_value = (struct str){out, base64_encode(BASE64_STANDARD, bytes, out)};
    return true;
}

/* --- messages --- */

static bool is_plain(char c)
{
    return c >= ' ' && c <= '~' && c != '%';
}

/* encoded_len is the length of grpc_encode_message's result. */
static size_t encoded_len(struct str text)
{
    size_t len = 0;
    while (text.len > 0) {
        size_t count = utf8_len(text);
        if (count == 0) {
            count = 1;
            len += sizeof(REPLACEMENT) - 1;
        } else {
            len += count == 1 && is_plain(text.ptr[0]) ? 1 : count * ESCAPE_BYTES;
        }
        text = (struct str){text.ptr + count, text.len - count};
    }
    return len;
}

static char *put_escape(char *out, char c)
{
    static const char hex[] = "0123456789ABCDEF";
    *out++ = '%';
    *out++ = hex[(uint8_t)c >> 4];
    *out++ = hex[(uint8_t)c & 15];
    return out;
}

bool grpc_encode_message(struct arena *arena, struct str text, struct str *ret_value)
{
    const size_t len = encoded_len(text);
    if (len == text.len) {
        *ret_value = text; /* every escape makes it longer */
        return true;
    }
    char *value = arena_alloc(arena, len);
    if (value == NULL) {
        return false;
    }
    char *out = value;
    while (text.len > 0) {
        const size_t count = utf8_len(text);
        if (count == 0) {
            memcpy(out, REPLACEMENT, sizeof(REPLACEMENT) - 1);
            out += sizeof(REPLACEMENT) - 1;
        } else if (count == 1 && is_plain(text.ptr[0])) {
            *out++ = text.ptr[0];
        } else {
            for (size_t i = 0; i < count; i++) {
                out = put_escape(out, text.ptr[i]);
            }
        }
        const size_t used = count == 0 ? 1 : count;
        text = (struct str){text.ptr + used, text.len - used};
    }
    *ret_value = (struct str){value, len};
    return true;
}
