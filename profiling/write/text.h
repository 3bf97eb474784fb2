/* SPDX-License-Identifier: MIT
 *
 * text.h - a profile in the text that Go prints with debug=1, for people and for `go tool pprof`.
 *
 * Thread: a worker thread: naming an address reads files.
 * Source: runtime/pprof of Go 1.19; text/tabwriter for the columns.
 */
#ifndef TOQ_PROFILING_WRITE_TEXT_H
#define TOQ_PROFILING_WRITE_TEXT_H

#include "profiling/write/source.h"

#define TEXT_BYTES_MAX (64u << 20) /* as much as Go gives for debug=2 */

/* text_encode writes the stacks whose values are not all zero, the one with the highest value
 * first. What would pass TEXT_BYTES_MAX is left out: the smallest ones.
 *
 * spec:    source->describe's.
 * Owns:    the caller frees *ret_data with free().
 * Returns: 0 with both set; UV_ENOMEM.
 */
MUST_USE int text_encode(const struct source *source, const struct stacks *stacks,
                         const struct profile_spec *spec, char **ret_data, size_t *ret_len);

#endif
