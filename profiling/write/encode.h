/* SPDX-License-Identifier: MIT
 *
 * encode.h - writes summed up stacks as a gzipped pprof protobuf, with named labels and symbolized
 * frames.
 *
 * Thread: a worker thread: naming an address reads files.
 */
#ifndef TOQ_PROFILING_WRITE_ENCODE_H
#define TOQ_PROFILING_WRITE_ENCODE_H

#include "profiling/write/profile.h"
#include "profiling/write/stacks.h"

/* route, method, rpc, toq, thread, state, trace_id, span_id, bytes */
#define ENCODE_LABELS_MAX 9

/* encode_labels names the labels of a sample.
 *
 * ret_labels: ENCODE_LABELS_MAX of them; borrowed from stacks and the process.
 * Returns: how many.
 */
size_t encode_labels(const struct stacks *stacks, const struct stacks_labels *labels,
                     struct profile_label *ret_labels);

/* encode_add_lost adds the CPU samples that were lost, as a stack of their own, "lostProfileEvent":
 * scrapers drop comments. Called with 0 first, it has its place in a table that is full in the end.
 *
 * Thread: any, one at a time.
 */
void encode_add_lost(struct stacks *stacks, uint64_t count, uint64_t period_ns);

/* encode_profile writes a profile: the samples whose values are not all zero, with the first
 * spec->type_count values of each.
 *
 * comment: NULL for none.
 * Owns:    the caller frees *ret_data with free().
 * Returns: 0 with both set; UV_ENOMEM.
 */
MUST_USE int encode_profile(const struct stacks *stacks, const struct profile_spec *spec,
                            const struct maps *maps, const char *comment, char **ret_data,
                            size_t *ret_len);

#endif
