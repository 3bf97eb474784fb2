/* SPDX-License-Identifier: MIT
 *
 * gzip.c - compresses with zlib's deflate and a gzip head.
 */
#include "profiling/write/gzip.h"

#include <uv.h>

#define GZIP_LEVEL       1         /* Go's choice: profiles are fetched once and thrown away */
#define GZIP_WINDOW_BITS (15 + 16) /* zlib: the largest window, with a gzip head */
#define CHUNK_BYTES      16384

void gzip_open(struct gzip *gzip, size_t max_bytes)
{
    *gzip = (struct gzip){.is_open = false};
    buf_init(&gzip->out, max_bytes);
    gzip->is_open = deflateInit2(&gzip->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS,
                                 MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
}

/* Packs what the stream was given; with Z_FINISH to the end of the file. */
static bool pack(struct gzip *gzip, int flush)
{
    z_stream *stream = &gzip->stream;
    int status = Z_OK;
    do {
        uint8_t chunk[CHUNK_BYTES];
        stream->next_out = chunk;
        stream->avail_out = sizeof(chunk);
        status = deflate(stream, flush);
        buf_append(&gzip->out, chunk, sizeof(chunk) - stream->avail_out);
    } while (stream->avail_out == 0 && !gzip->out.is_failed);
    return !gzip->out.is_failed && (flush != Z_FINISH || status == Z_STREAM_END);
}

void gzip_write(struct gzip *gzip, const uint8_t *data, size_t len)
{
    if (gzip->is_open && !gzip->out.is_failed) {
        gzip->stream.next_in = (Bytef *)(uintptr_t)data;
        gzip->stream.avail_in = (uInt)len;
        (void)pack(gzip, Z_NO_FLUSH);
    }
}

int gzip_finish(struct gzip *gzip, char **ret_data, size_t *ret_len)
{
    if (!gzip->is_open || gzip->out.is_failed || !pack(gzip, Z_FINISH)) {
        return UV_ENOMEM;
    }
    *ret_data = gzip->out.data;
    *ret_len = gzip->out.len;
    buf_init(&gzip->out, 0);
    return 0;
}

void gzip_close(struct gzip *gzip)
{
    if (gzip->is_open) {
        (void)deflateEnd(&gzip->stream);
        gzip->is_open = false;
    }
    buf_deinit(&gzip->out);
}
