/* SPDX-License-Identifier: MIT
 *
 * trace_filter.h - chooses the traces that a profile has samples of, and whether samples carry
 * trace ids.
 *
 * Thread: any.
 */
#ifndef TOQ_PROFILING_WRITE_TRACE_FILTER_H
#define TOQ_PROFILING_WRITE_TRACE_FILTER_H

#include "core/base/trace_ids.h"

/* All zero: a profile of everything, without ids. */
struct trace_filter {
    bool has_labels;      /* samples have the labels trace_id and span_id */
    bool is_one;          /* no samples but those of trace_id */
    uint64_t trace_id[2]; /* as trace_ids has it */
};

/* trace_filter_is_on tells whether ids matter at all. */
static inline bool trace_filter_is_on(const struct trace_filter *filter)
{
    return filter->has_labels || filter->is_one;
}

/* trace_filter_is_same tells whether two are the same question. */
static inline bool trace_filter_is_same(const struct trace_filter *a, const struct trace_filter *b)
{
    return a->has_labels == b->has_labels && a->is_one == b->is_one &&
           a->trace_id[0] == b->trace_id[0] && a->trace_id[1] == b->trace_id[1];
}

/* trace_filter_takes tells whether a sample belongs into the profile. */
static inline bool trace_filter_takes(const struct trace_filter *filter,
                                      const struct trace_ids *ids)
{
    return !filter->is_one || (ids->span_id != 0 && ids->trace_id[0] == filter->trace_id[0] &&
                               ids->trace_id[1] == filter->trace_id[1]);
}

#endif
