/* SPDX-License-Identifier: MIT
 *
 * fuzz_redis_reader.c - any bytes as what Redis says: refused, or the same replies however the
 *                       bytes are cut.
 */
#include "core/base/buf.h"
#include "core/redis/redis_reader.h"

#define REPLY_BYTES (1u << 20)
#define SAID_BYTES  (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* put_reply prints a reply, and so reads all of it. */
static void put_reply(const struct redis_reply *reply, struct buf *out)
{
    buf_append_u64(out, (uint64_t)reply->type);
    buf_append_char(out, ' ');
    buf_append_u64(out, (uint64_t)reply->integer);
    buf_append_str(out, reply->text);
    (void)redis_reply_has_code(reply, STR("ERR"));
    if (reply->type == REDIS_ERROR) {
        (void)redis_reply_refusal(reply->text);
    }
    for (size_t i = 0; i < reply->count; i++) {
        put_reply(&reply->items[i], out);
    }
}

/* read_all feeds `step` bytes at a time until all is read or something is wrong. */
static void read_all(struct str input, size_t step, struct buf *out)
{
    struct redis_reader reader;
    const struct redis_reply *reply;
    int status = 1;
    redis_reader_init(&reader, REPLY_BYTES);
    INVARIANT(redis_reader_reset(&reader) == 0);
    for (size_t at = 0; at < input.len && status >= 0; at += step) {
        const size_t len = input.len - at < step ? input.len - at : step;
        status = redis_reader_feed(&reader, input.ptr + at, len);
        while (status >= 0 && (status = redis_reader_next(&reader, &reply)) == 1) {
            put_reply(reply, out);
        }
    }
    redis_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str input = {(const char *)data, size};
    struct buf whole;
    struct buf pieces;
    buf_init(&whole, SAID_BYTES);
    buf_init(&pieces, SAID_BYTES);
    read_all(input, REDIS_READER_FEED_BYTES, &whole);
    read_all(input, 1 + size % 7, &pieces);
    INVARIANT(str_equal(buf_str(&whole), buf_str(&pieces)));
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}
