/* SPDX-License-Identifier: MIT
 *
 * profile_message.h - a profile as its readers get it: in gzip, unpacked message by message.
 */
#ifndef TOQ_TEST_UNIT_SUPPORT_PROFILE_MESSAGE_H
#define TOQ_TEST_UNIT_SUPPORT_PROFILE_MESSAGE_H

#include <stdlib.h>
#include <zlib.h>

#include "profiling/write/profile.pb-c.h"

#define PROFILE_MESSAGE_BYTES (64u << 20) /* unpacked; only what a profile needs is touched */

/* profile_message_unpack reads a whole profile; whoever calls frees it with
 * pprof__profile__free_unpacked. */
static inline Pprof__Profile *profile_message_unpack(const char *data, size_t len)
{
    uint8_t *raw = malloc(PROFILE_MESSAGE_BYTES);
    assert_non_null(raw);
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data,
                       .avail_in = (uInt)len,
                       .next_out = raw,
                       .avail_out = PROFILE_MESSAGE_BYTES};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK); /* 16: it must be gzip */
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(inflateEnd(&stream), Z_OK);
    Pprof__Profile *message = pprof__profile__unpack(NULL, stream.total_out, raw);
    free(raw);
    assert_non_null(message);
    return message;
}

/* profile_message_text is a string of the profile by its number. */
static inline const char *profile_message_text(const Pprof__Profile *message, int64_t number)
{
    assert_true(number >= 0 && (size_t)number < message->n_string_table);
    return message->string_table[number];
}

#endif
