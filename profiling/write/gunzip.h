/* SPDX-License-Identifier: MIT
 *
 * gunzip.h - inflates what gzip.h has compressed.
 *
 * Thread: any.
 */
#ifndef TOQ_PROFILING_WRITE_GUNZIP_H
#define TOQ_PROFILING_WRITE_GUNZIP_H

#include "core/base/buf.h"

#define GUNZIP_BYTES_MAX (256u << 20)

/* gunzip appends what a gzip file holds to `out`.
 *
 * Returns: 0; UV_EINVAL it is none, or is cut off; UV_ENOMEM, also when `out` is full.
 */
MUST_USE int gunzip(const char *data, size_t len, struct buf *out);

#endif
