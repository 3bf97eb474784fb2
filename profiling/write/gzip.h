/* SPDX-License-Identifier: MIT
 *
 * gzip.h - makes a gzip file in memory of bytes that are added piece by piece.
 *
 * Failure: when memory is missing, or the maximum reached, the file is marked failed and
 *          gzip_finish says so: a writer writes freely and asks once.
 * Memory:  256 KiB while it is open, and the packed bytes.
 * Thread:  any, one at a time.
 */
#ifndef TOQ_PROFILING_WRITE_GZIP_H
#define TOQ_PROFILING_WRITE_GZIP_H

#include <zlib.h>

#include "core/base/buf.h"

struct gzip {
    z_stream stream;
    struct buf out;
    bool is_open;
};

/* gzip_open begins a file of at most `max_bytes` packed bytes. */
void gzip_open(struct gzip *gzip, size_t max_bytes);

/* gzip_write adds bytes, less than 4 GiB. */
void gzip_write(struct gzip *gzip, const uint8_t *data, size_t len);

/* gzip_finish ends the file and hands it over; gzip_close follows all the same.
 *
 * Owns:    the caller frees *ret_data with free().
 * Returns: 0 with both set; UV_ENOMEM.
 */
MUST_USE int gzip_finish(struct gzip *gzip, char **ret_data, size_t *ret_len);

/* gzip_close frees what was not handed over; harmless after another gzip_close. */
void gzip_close(struct gzip *gzip);

#endif
