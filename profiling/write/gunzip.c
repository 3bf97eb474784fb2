/* SPDX-License-Identifier: MIT
 *
 * gunzip.c - inflates piece by piece with zlib.
 */
#include "profiling/write/gunzip.h"

#include <stdlib.h>
#include <uv.h>
#include <zlib.h>

#define PIECE_BYTES   65536u
#define GZIP_FILE     16 /* zlib's flag beside the bits of the window */
#define DATA_MAX_BYTE UINT32_MAX

static int inflate_all(z_stream *stream, uint8_t *piece, struct buf *out)
{
    int rc = Z_OK;
    while (rc == Z_OK && !out->is_failed) {
        stream->next_out = piece;
        stream->avail_out = PIECE_BYTES;
        rc = inflate(stream, Z_NO_FLUSH);
        if (rc == Z_OK || rc == Z_STREAM_END) {
            buf_append(out, piece, PIECE_BYTES - stream->avail_out);
        }
    }
    if (rc == Z_MEM_ERROR || out->is_failed) {
        return UV_ENOMEM;
    }
    return rc == Z_STREAM_END ? 0 : UV_EINVAL;
}

int gunzip(const char *data, size_t len, struct buf *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
    if (len > DATA_MAX_BYTE) {
        return UV_EINVAL;
    }
    uint8_t *piece = malloc(PIECE_BYTES);
    if (piece == NULL || inflateInit2(&stream, MAX_WBITS + GZIP_FILE) != Z_OK) {
        free(piece);
        return UV_ENOMEM;
    }
    const int status = inflate_all(&stream, piece, out);
    (void)inflateEnd(&stream);
    free(piece);
    return status;
}
