/* SPDX-License-Identifier: MIT
 *
 * grpc_frame.c - reads the prefix and the message that follows it, wherever the bytes are split.
 */
#include "core/grpc/grpc_frame.h"

#include "core/loop/loop.h"

#define KEPT_BYTES 16384 /* memory that a reader keeps from one message to the next */

void grpc_reader_init(struct grpc_reader *reader, size_t max_bytes, struct quota *quota)
{
    *reader = (struct grpc_reader){.max_bytes = max_bytes};
    buf_init_charged(&reader->message, max_bytes, quota);
}

void grpc_reader_deinit(struct grpc_reader *reader)
{
    buf_deinit(&reader->message);
}

static struct str cut(struct str *data, size_t len)
{
    const struct str piece = {data->ptr, len};
    *data = (struct str){data->ptr + len, data->len - len};
    return piece;
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* take_prefix reads on in the prefix.
 *
 * Returns: 1 it is complete; 0 more is needed; an error of grpc_reader_next. */
static int take_prefix(struct grpc_reader *reader, struct str *data)
{
    const size_t wanted = (size_t)(GRPC_PREFIX_BYTES - reader->prefix_len);
    const struct str piece = cut(data, min_of(wanted, data->len));
    if (piece.len > 0) {
        memcpy(reader->prefix + reader->prefix_len, piece.ptr, piece.len);
        reader->prefix_len = (uint8_t)(reader->prefix_len + piece.len);
    }
    const uint8_t *p = reader->prefix;
    if (reader->prefix_len > 0 && p[0] > 1) {
        return UV_EPROTO;
    }
    if (reader->prefix_len < GRPC_PREFIX_BYTES) {
        return 0;
    }
    reader->left = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    return reader->left > reader->max_bytes ? UV_EMSGSIZE : 1;
}

/* forget makes room for the next message. */
static void forget(struct grpc_reader *reader)
{
    reader->is_done = false;
    if (reader->message.cap > KEPT_BYTES) {
        buf_deinit(&reader->message);
    }
    buf_clear(&reader->message);
}

int grpc_reader_next(struct grpc_reader *reader, struct str *data, struct grpc_frame *ret_frame)
{
    if (reader->is_done) {
        forget(reader);
    }
    if (reader->prefix_len < GRPC_PREFIX_BYTES) {
        const int rc = take_prefix(reader, data);
        if (rc <= 0) {
            return rc;
        }
    }
    const struct str piece = cut(data, min_of(reader->left, data->len));
    reader->left -= piece.len;
    const bool is_whole = reader->left == 0 && reader->message.len == 0;
    if (!is_whole) {
        buf_append_str(&reader->message, piece);
    }
    if (reader->message.is_failed) {
        return UV_ENOMEM;
    }
    if (reader->left > 0) {
        return 0;
    }
    ret_frame->message = is_whole ? piece : buf_str(&reader->message);
    ret_frame->is_compressed = reader->prefix[0] == 1;
    reader->prefix_len = 0;
    reader->is_done = true;
    return 1;
}

int grpc_reader_keep(struct grpc_reader *reader, struct grpc_frame *frame)
{
    if (reader->message.len == 0) {
        buf_append_str(&reader->message, frame->message);
    }
    if (reader->message.is_failed) {
        return UV_ENOMEM;
    }
    frame->message = buf_str(&reader->message);
    return 0;
}

bool grpc_reader_is_between(const struct grpc_reader *reader)
{
    return reader->prefix_len == 0;
}

void grpc_prefix(char *out, bool is_compressed, size_t len)
{
    out[0] = is_compressed ? 1 : 0;
    for (int i = 1; i < GRPC_PREFIX_BYTES; i++) {
        out[i] = (char)(len >> (8 * (GRPC_PREFIX_BYTES - 1 - i)) & 0xFF);
    }
}
