/* SPDX-License-Identifier: MIT
 *
 * listing.h - a finished profile in the formats of other tools: collapsed stacks, a table, JSON.
 *
 * Flow:    ?format= -> any profile -> [worker] listing_make -> the answer
 * Failure: a profile that cannot be read back, or whose text would pass LISTING_BYTES_MAX, has
 *          none.
 * Memory:  the profile unpacked, several times its packed size, while listing_make runs.
 * Thread:  a worker thread.
 */
#ifndef TOQ_PROFILING_WRITE_LISTING_H
#define TOQ_PROFILING_WRITE_LISTING_H

#include "core/base/buf.h"

#define LISTING_BYTES_MAX (64u << 20)

enum listing_format {
    LISTING_NONE,      /* profile.proto, as it is */
    LISTING_COLLAPSED, /* "main;serve;write 12": what flamegraph.pl and speedscope read */
    LISTING_TEXT,      /* functions by what they take, as go tool pprof -top */
    LISTING_JSON,
};

/* listing_parse reads the name of a format: "pprof" or "", "collapsed", "text", "json".
 *
 * Returns: true with *ret_format set; false for another name.
 */
MUST_USE bool listing_parse(struct str name, enum listing_format *ret_format);

/* listing_make writes a profile in a format other than LISTING_NONE.
 *
 * Of the values the collapsed stacks and the table have the profile's default one; stacks for which
 * it is not above 0 are in the table and JSON alone. JSON is {"types": [{"type", "unit"}],
 * "default_type", "time_ns", "duration_ns", "period", "comments", "functions": [{"name", "file"}],
 * "samples": [{"stack": [[function, line], ...], "values", "labels"}]}, the outermost frame first.
 *
 * data: gzipped profile.proto. out: an empty buffer of LISTING_BYTES_MAX.
 * Returns: 0; UV_EINVAL data is no profile; UV_ENOMEM.
 */
MUST_USE int listing_make(const char *data, size_t len, enum listing_format format,
                          struct buf *out);

#endif
