/* SPDX-License-Identifier: MIT
 *
 * grpc_gzip.c - zlib with a gzip head, one message at a time.
 */
#include "core/grpc/grpc_gzip.h"

#include <stdlib.h>
#include <zlib.h>

#include "core/loop/loop.h"

#define WINDOW_BITS (15 + 16) /* zlib: the largest window, with a gzip head */
#define LEVEL       1         /* a message is read once */
#define PIECE_BYTES 16384

struct grpc_gzip {
    z_stream in;
    z_stream out;
    bool has_in; /* its state is there */
    bool has_out;
    Bytef piece[PIECE_BYTES];
};

struct grpc_gzip *grpc_gzip_create(void)
{
    return calloc(1, sizeof(struct grpc_gzip));
}

void grpc_gzip_destroy(struct grpc_gzip *gzip)
{
    if (gzip == NULL) {
        return;
    }
    if (gzip->has_in) {
        (void)inflateEnd(&gzip->in);
    }
    if (gzip->has_out) {
        (void)deflateEnd(&gzip->out);
    }
    free(gzip);
}

static void set_input(z_stream *stream, struct str data)
{
    stream->next_in = (Bytef *)(uintptr_t)data.ptr;
    stream->avail_in = (uInt)data.len;
}

static void set_output(struct grpc_gzip *gzip, z_stream *stream)
{
    stream->next_out = gzip->piece;
    stream->avail_out = PIECE_BYTES;
}

int grpc_gzip_inflate(struct grpc_gzip *gzip, struct str data, struct buf *out)
{
    z_stream *stream = &gzip->in;
    if (!gzip->has_in && inflateInit2(stream, WINDOW_BITS) != Z_OK) {
        return UV_ENOMEM;
    }
    gzip->has_in = true;
    (void)inflateReset(stream);
    set_input(stream, data);
    for (;;) {
        set_output(gzip, stream);
        const int rv = inflate(stream, Z_NO_FLUSH);
        if (rv == Z_MEM_ERROR) {
            return UV_ENOMEM;
        }
        if (rv != Z_OK && rv != Z_STREAM_END) {
            return UV_EINVAL; /* Z_BUF_ERROR too: the input is cut off */
        }
        const size_t len = PIECE_BYTES - stream->avail_out;
        if (len > out->max_bytes - out->len) {
            return UV_EMSGSIZE;
        }
        buf_append(out, gzip->piece, len);
        if (out->is_failed) {
            return UV_ENOMEM;
        }
        if (rv == Z_STREAM_END) {
            if (stream->avail_in == 0) {
                return 0;
            }
            (void)inflateReset(stream); /* another member must follow */
        }
    }
}

int grpc_gzip_deflate(struct grpc_gzip *gzip, struct str data, struct buf *out)
{
    z_stream *stream = &gzip->out;
    if (!gzip->has_out && deflateInit2(stream, LEVEL, Z_DEFLATED, WINDOW_BITS, MAX_MEM_LEVEL,
                                       Z_DEFAULT_STRATEGY) != Z_OK) {
        return UV_ENOMEM;
    }
    gzip->has_out = true;
    (void)deflateReset(stream);
    set_input(stream, data);
    int rv = Z_OK;
    while (rv == Z_OK) {
        set_output(gzip, stream);
        rv = deflate(stream, Z_FINISH);
        buf_append(out, gzip->piece, PIECE_BYTES - stream->avail_out);
    }
    return rv == Z_STREAM_END && !out->is_failed ? 0 : UV_ENOMEM;
}
