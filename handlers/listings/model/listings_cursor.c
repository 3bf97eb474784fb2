/* SPDX-License-Identifier: MIT
 *
 * listings_cursor.c - version, order, key, id and check, big-endian, in base64url.
 */
#include "handlers/listings/model/listings_cursor.h"

#include "core/base/base64.h"

#define VERSION   1 /* the first byte; a new layout gets a new one */
#define RAW_BYTES (2 + 8 + UUID_BYTES + 8)

_Static_assert(BASE64_ENCODED_BYTES(RAW_BYTES) == LISTINGS_CURSOR_LEN, "what the header says");

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
    (void)base64_encode(BASE64_URL, (struct str){(const char *)raw, RAW_BYTES}, out);
}

bool listings_cursor_decode(struct str text, struct listings_cursor *ret_cursor)
{
    unsigned char raw[RAW_BYTES];
    size_t len;
    if (text.len != LISTINGS_CURSOR_LEN || !base64_decode(BASE64_URL, text, raw, &len) ||
        raw[0] != VERSION) {
        return false;
    }
    ret_cursor->sort = raw[1];
    ret_cursor->key = get_u64(raw + 2);
    memcpy(ret_cursor->id, raw + 10, UUID_BYTES);
    ret_cursor->check = get_u64(raw + 10 + UUID_BYTES);
    return true;
}
