/* SPDX-License-Identifier: MIT
 *
 * grpc_gzip.h - compresses and inflates messages, within a limit. Private to grpc*.c.
 *
 * Memory: zlib's state, about 300 KiB, made at the first use and used for every message.
 * Thread: one at a time.
 */
#ifndef TOQ_CORE_GRPC_GRPC_GZIP_H
#define TOQ_CORE_GRPC_GRPC_GZIP_H

#include "core/base/buf.h"

struct grpc_gzip;

/* grpc_gzip_create makes a codec without zlib's state. Returns: NULL when memory is missing. */
MUST_USE struct grpc_gzip *grpc_gzip_create(void);

/* grpc_gzip_destroy frees it; takes NULL. */
void grpc_gzip_destroy(struct grpc_gzip *gzip);

/* grpc_gzip_inflate appends the content of a gzip file, of one or more members, to `out`, and stops
 * at out->max_bytes: a small file may inflate to much.
 *
 * Returns: 0; UV_EMSGSIZE: the content is longer; UV_EINVAL: the data is not gzip, is cut off, or
 *          is followed by bytes that are not another member; UV_ENOMEM.
 * Source:  RFC 1952 2.2.
 */
MUST_USE int grpc_gzip_inflate(struct grpc_gzip *gzip, struct str data, struct buf *out);

/* grpc_gzip_deflate appends a gzip file that holds `data` to `out`.
 *
 * data: less than 4 GiB.
 * Returns: 0; UV_ENOMEM, also when out->max_bytes does not hold it.
 */
MUST_USE int grpc_gzip_deflate(struct grpc_gzip *gzip, struct str data, struct buf *out);

#endif
