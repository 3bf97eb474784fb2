/* SPDX-License-Identifier: MIT
 *
 * export_gzip.c - compresses a body with zlib, on a thread of a pool.
 */
#include <zlib.h>

#include "core/export/export.h"

#define GZIP_BITS (15 + 16) /* zlib's number for the largest window and gzip's frame */
#define PIECE     16384

bool export_gzip(struct str text, struct buf *out)
{
    unsigned char piece[PIECE];
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)text.ptr, .avail_in = (uInt)text.len};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    int rc = Z_OK;
    while (rc == Z_OK) {
        z.next_out = piece;
        z.avail_out = sizeof(piece);
        rc = deflate(&z, Z_FINISH);
        buf_append(out, piece, sizeof(piece) - z.avail_out);
    }
    (void)deflateEnd(&z);
    return rc == Z_STREAM_END && !out->is_failed;
}
