/* SPDX-License-Identifier: MIT
 *
 * gzip.c - zlib's deflate with a gzip head.
 */
#include "profiling/gzip.h"

#include <stdlib.h>
#include <uv.h>
#include <zlib.h>

#define GZIP_LEVEL       1         /* Go's choice: profiles are fetched once and thrown away */
#define GZIP_WINDOW_BITS (15 + 16) /* zlib: the largest window, with a gzip head */

int gzip_pack(const uint8_t *data, size_t len, char **ret_data, size_t *ret_len)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, MAX_MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return UV_ENOMEM;
    }
    uLong bound = deflateBound(&stream, (uLong)len);
    char *out = malloc(bound);
    int status = UV_ENOMEM;
    if (out != NULL) {
        stream.next_out = (Bytef *)out;
        stream.avail_out = (uInt)bound;
        status = deflate(&stream, Z_FINISH) == Z_STREAM_END ? 0 : UV_ENOMEM;
    }
    size_t out_len = stream.total_out;
    (void)deflateEnd(&stream);
    if (status != 0) {
        free(out);
        return status;
    }
    *ret_data = out;
    *ret_len = out_len;
    return 0;
}
