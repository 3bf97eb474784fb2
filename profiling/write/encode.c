/* SPDX-License-Identifier: MIT
 *
 * encode.c - adds stacks to a profile, sample by sample.
 */
#include "profiling/write/encode.h"

#include "core/task/label.h"
#include "profiling/code/synthetic.h"

size_t encode_labels(const struct stacks *stacks, const struct stacks_labels *labels,
                     struct profile_label *ret_labels)
{
    const struct label label = label_get(labels->label);
    const struct stacks_trace *trace = stacks_trace_at(stacks, labels->trace);
    const struct profile_label all[ENCODE_LABELS_MAX] = {
        {.key = "route", .text = label.route},
        {.key = "method", .text = label.method},
        {.key = "rpc", .text = label.rpc},
        {.key = "toq", .text = label.toq},
        {.key = "thread", .text = labels->thread == 0 ? NULL : stacks->names[labels->thread]},
        {.key = "state", .text = labels->state},
        {.key = "trace_id", .text = trace == NULL ? NULL : trace->trace_id},
        {.key = "span_id", .text = trace == NULL ? NULL : trace->span_id},
        {.key = "bytes", .number = labels->size_bytes},
    };
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
        if (all[i].text != NULL || all[i].number != 0) {
            ret_labels[count++] = all[i];
        }
    }
    return count;
}

void encode_add_lost(struct stacks *stacks, uint64_t count, uint64_t period_ns)
{
    const uint64_t frame = synthetic_lost();
    const struct stacks_labels labels = {.label = LABEL_NONE};
    const int64_t values[STACKS_VALUES_MAX] = {(int64_t)count, (int64_t)(count * period_ns)};
    stacks_add(stacks, &frame, 1, &labels, values);
}

static bool is_zero(const struct stacks_sample *sample, size_t value_count)
{
    for (size_t i = 0; i < value_count; i++) {
        if (sample->values[i] != 0) {
            return false;
        }
    }
    return true;
}

static void add_sample(struct profile *profile, const struct stacks *stacks,
                       const struct stacks_sample *sample, bool has_profile_id)
{
    uint64_t frames[STACKS_FRAMES_MAX];
    struct profile_label labels[ENCODE_LABELS_MAX + 1];
    const size_t frame_count = stacks_read(stacks, sample->leaf, frames, STACKS_FRAMES_MAX);
    size_t label_count = encode_labels(stacks, &sample->labels, labels);
    if (has_profile_id && sample->labels.trace != 0) {
        labels[label_count++] = (struct profile_label){
            .key = "profile_id", .text = stacks_trace_at(stacks, sample->labels.trace)->span_id};
    }
    profile_add_sample(profile, frames, frame_count, sample->values, labels, label_count);
}

int encode_profile(const struct stacks *stacks, const struct profile_spec *spec,
                   const struct maps *maps, const char *comment, char **ret_data, size_t *ret_len)
{
    struct profile *profile;
    int status = profile_create(spec, maps, &profile);
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < stacks->sample_count; i++) {
        if (!is_zero(&stacks->samples[i], spec->type_count)) {
            add_sample(profile, stacks, &stacks->samples[i], spec->has_profile_id);
        }
    }
    if (comment != NULL) {
        profile_add_comment(profile, comment);
    }
    status = profile_encode(profile, ret_data, ret_len);
    profile_destroy(profile);
    return status;
}
