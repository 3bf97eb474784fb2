/* SPDX-License-Identifier: MIT
 *
 * listings_cursor.c - version, order, key, id and check, big-endian, in base64url.
 */
#include "handlers/listings_cursor.h"

#define VERSION   1 /* the first byte; a new layout gets a new one */
#define RAW_BYTES (2 + 8 + UUID_BYTES + 8)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_u64(unsigned char *out, uint64_t value)
{
    for (size_t i = 0; i < 8; i++) {
        out[i] = (unsigned char)(value >> (56 - 8 * i));
    }
}

static uint64_t get_u64(const unsigned char *in)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | in[i];
    }
    return value;
}

void listings_cursor_encode(const struct listings_cursor *cursor, char *out)
{
    unsigned char raw[RAW_BYTES] = {VERSION, cursor->sort};
    put_u64(raw + 2, cursor->key);
    memcpy(raw + 10, cursor->id, UUID_BYTES);
    put_u64(raw + 10 + UUID_BYTES, cursor->check);
    unsigned bits = 0; /* not yet written, in the lowest `count` */
    unsigned count = 0;
    for (size_t i = 0; i < RAW_BYTES; i++) {
        bits = bits << 8 | raw[i];
        for (count += 8; count >= 6; count -= 6) {
            *out++ = alphabet[bits >> (count - 6) & 0x3F];
        }
    }
    *out = alphabet[bits << (6 - count) & 0x3F];
}

/* decode_raw undoes base64url.
 *
 * Returns: false for a byte that is not of the alphabet, or unused bits that are not zero.
 */
static bool decode_raw(const char *text, unsigned char *raw)
{
    unsigned bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < LISTINGS_CURSOR_LEN; i++) {
        const char *place = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (place == NULL) {
            return false;
        }
        bits = bits << 6 | (unsigned)(place - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            *raw++ = (unsigned char)(bits >> count);
        }
    }
    return (bits & ((1U << count) - 1)) == 0;
}

bool listings_cursor_decode(struct str text, struct listings_cursor *ret_cursor)
{
    unsigned char raw[RAW_BYTES];
    if (text.len != LISTINGS_CURSOR_LEN || !decode_raw(text.ptr, raw) || raw[0] != VERSION) {
        return false;
    }
    ret_cursor->sort = raw[1];
    ret_cursor->key = get_u64(raw + 2);
    memcpy(ret_cursor->id, raw + 10, UUID_BYTES);
    ret_cursor->check = get_u64(raw + 10 + UUID_BYTES);
    return true;
}
