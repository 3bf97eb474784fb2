/* SPDX-License-Identifier: MIT
 *
 * uuid.c - 48 bits of milliseconds, 12 of a counter, 62 at random.
 *
 * The counter starts each millisecond at a new random value with its top bit clear, so it is hard
 * to guess and has room for 2048 more at least. When that is not enough, the millisecond is taken
 * from the future.
 */
#include "handlers/kit/uuid.h"

#include <errno.h>
#include <sys/random.h>

#include "core/base/hex.h"

#define COUNTER_MAX   0xFFF
#define COUNTER_START 0x7FF /* the highest */

/* Where the text has a dash, and the two digits of each byte. */
static const uint8_t dash_places[] = {8, 13, 18, 23};
static const uint8_t byte_places[UUID_BYTES] = {0,  2,  4,  6,  9,  11, 14, 16,
                                                19, 21, 24, 26, 28, 30, 32, 34};

/* advance finds the source's next millisecond and counter. */
static void advance(struct uuid_source *source, uint64_t now_ms, uint32_t start)
{
    if (now_ms > source->last_ms) {
        source->last_ms = now_ms;
        source->counter = start;
    } else if (source->counter < COUNTER_MAX) {
        source->counter++;
    } else {
        source->last_ms++;
        source->counter = start;
    }
}

int uuid_make(struct uuid_source *source, uint64_t wall_ns, char *text)
{
    unsigned char bytes[UUID_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        return -errno; /* never cut short: up to 256 bytes come whole */
    }
    advance(source, wall_ns / NS_PER_MS, (bytes[0] | (uint32_t)bytes[1] << 8) & COUNTER_START);
    for (size_t i = 0; i < 6; i++) {
        bytes[i] = (unsigned char)(source->last_ms >> (40 - 8 * i));
    }
    bytes[6] = (unsigned char)(0x70 | source->counter >> 8); /* version 7 */
    bytes[7] = (unsigned char)source->counter;
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3F)); /* the variant of RFC 9562 */
    uuid_format(bytes, text);
    return 0;
}

bool uuid_parse(struct str text, unsigned char *ret_bytes)
{
    unsigned char bytes[UUID_BYTES];
    if (text.len != UUID_TEXT_LEN) {
        return false;
    }
    for (size_t i = 0; i < sizeof(dash_places); i++) {
        if (text.ptr[dash_places[i]] != '-') {
            return false;
        }
    }
    for (size_t i = 0; i < UUID_BYTES; i++) {
        const int high = hex_value(text.ptr[byte_places[i]]);
        const int low = hex_value(text.ptr[byte_places[i] + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return true;
}

void uuid_format(const unsigned char *bytes, char *text)
{
    for (size_t i = 0; i < sizeof(dash_places); i++) {
        text[dash_places[i]] = '-';
    }
    for (size_t i = 0; i < UUID_BYTES; i++) {
        hex_encode(&bytes[i], 1, text + byte_places[i]);
    }
}
