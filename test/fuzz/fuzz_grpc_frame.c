/* SPDX-License-Identifier: MIT
 *
 * fuzz_grpc_frame.c - any bytes as a stream of messages: however they are split, the same messages
 * come out, and none is longer than the limit, inflated or not.
 *
 * Input: one byte for the size of the pieces, then the stream.
 */
#include "core/grpc/grpc_frame.h"
#include "core/grpc/grpc_gzip.h"
#include "core/loop/loop.h"

#define MAX_BYTES 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a reader has made of a stream. */
struct outcome {
    uint64_t hash;
    size_t count;
    int rc;
    bool is_between;
};

static void inflate_message(struct str message)
{
    static struct grpc_gzip *gzip;
    gzip = gzip == NULL ? grpc_gzip_create() : gzip;
    INVARIANT(gzip != NULL);
    struct buf out;
    buf_init(&out, MAX_BYTES);
    const int rc = grpc_gzip_inflate(gzip, message, &out);
    INVARIANT(rc == 0 || rc == UV_EINVAL || rc == UV_EMSGSIZE);
    INVARIANT(out.len <= MAX_BYTES);
    buf_deinit(&out);
}

static struct outcome read_all(struct str stream, size_t step)
{
    struct grpc_reader reader;
    struct outcome outcome = {.rc = 0};
    grpc_reader_init(&reader, MAX_BYTES, NULL);
    while (stream.len > 0 && outcome.rc == 0) {
        struct str piece = {stream.ptr, stream.len < step ? stream.len : step};
        stream = (struct str){stream.ptr + piece.len, stream.len - piece.len};
        while (piece.len > 0 && outcome.rc >= 0) {
            struct grpc_frame frame;
            outcome.rc = grpc_reader_next(&reader, &piece, &frame);
            if (outcome.rc == 1) {
                INVARIANT(frame.message.len <= MAX_BYTES);
                /* in pieces, what was kept is what was read */
                INVARIANT(step == SIZE_MAX || grpc_reader_keep(&reader, &frame) == 0);
                outcome.hash = outcome.hash * 31 + str_hash(frame.message) + frame.is_compressed;
                outcome.count++;
                if (frame.is_compressed) {
                    inflate_message(frame.message);
                }
            }
        }
        outcome.rc = outcome.rc > 0 ? 0 : outcome.rc;
    }
    outcome.is_between = grpc_reader_is_between(&reader);
    grpc_reader_deinit(&reader);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const struct str stream = {(const char *)data + 1, size - 1};
    const struct outcome whole = read_all(stream, SIZE_MAX);
    const struct outcome split = read_all(stream, (size_t)data[0] % 16 + 1);
    INVARIANT(whole.rc == split.rc && whole.count == split.count && whole.hash == split.hash);
    INVARIANT(whole.rc == 0 || whole.rc == UV_EPROTO || whole.rc == UV_EMSGSIZE);
    INVARIANT(whole.rc != 0 || whole.is_between == split.is_between);
    return 0;
}
