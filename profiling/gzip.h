/* SPDX-License-Identifier: MIT
 *
 * gzip.h - bytes in, a gzip file out, in one piece.
 *
 * Thread: any.
 */
#ifndef TOQ_PROFILING_GZIP_H
#define TOQ_PROFILING_GZIP_H

#include "core/base/base.h"

/* gzip_pack compresses `len` bytes, less than 4 GiB.
 *
 * Owns:    data stays the caller's and is not changed; the caller frees *ret_data with free().
 * Returns: 0 with both set; UV_ENOMEM.
 */
MUST_USE int gzip_pack(const uint8_t *data, size_t len, char **ret_data, size_t *ret_len);

#endif
