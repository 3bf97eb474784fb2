/* SPDX-License-Identifier: MIT
 *
 * profile.h - a pprof profile in memory: samples of code addresses with values and labels, written
 * as gzipped profile.proto with every function, file and line named.
 *
 * Flow:    profile_create -> profile_add_sample ... -> profile_encode -> profile_destroy
 * Failure: when memory is missing, or the maximum reached, the profile is marked failed and
 *          profile_encode says so: a writer adds freely and asks once.
 * Memory:  texts, functions and locations in one arena of PROFILE_BYTES_MAX; samples are packed as
 *          they come, into PROFILE_BYTES_MAX at most.
 * Thread:  a worker thread, one at a time: naming an address reads files.
 */
#ifndef TOQ_PROFILING_WRITE_PROFILE_H
#define TOQ_PROFILING_WRITE_PROFILE_H

#include "profiling/code/maps.h"

#define PROFILE_BYTES_MAX        (64u << 20)
#define PROFILE_SAMPLE_TYPES_MAX 4 /* scrapers take no more */
#define PROFILE_FRAMES_MAX       512
#define PROFILE_LABELS_MAX       16 /* of a sample */

/* What one value counts: {"cpu", "nanoseconds"}. */
struct profile_type {
    const char *type;
    const char *unit;
};

struct profile_spec {
    struct profile_type types[PROFILE_SAMPLE_TYPES_MAX];
    size_t type_count;
    struct profile_type period_type;
    int64_t period;
    const char *default_type; /* of types; NULL: the last */
    uint64_t time_ns;         /* wall clock, since 1970 */
    uint64_t duration_ns;     /* 0 for profiles of a moment: scrapers take others for deltas */
    /* Samples of a trace have their span's id as the label profile_id, too: by this name Pyroscope
     * finds the profile of a span, in CPU profiles. */
    bool has_profile_id;
};

/* A label with a text, or with a number when text is NULL. */
struct profile_label {
    const char *key;
    const char *text;
    int64_t number;
    const char *unit; /* of number; NULL: none */
};

struct profile;

/* profile_create starts a profile without samples; its mappings are those of `maps`.
 *
 * Owns:    texts of spec are copied; maps stays the caller's and outlives the profile.
 * Returns: 0 with *ret_profile set; UV_ENOMEM.
 */
MUST_USE int profile_create(const struct profile_spec *spec, const struct maps *maps,
                            struct profile **ret_profile);

/* profile_destroy frees a profile; takes NULL. */
void profile_destroy(struct profile *profile);

/* profile_add_sample adds one sample.
 *
 * addresses: of instructions, not zero, the innermost first (for callers: return address - 1); 1 to
 * PROFILE_FRAMES_MAX of them. values: one per type.
 * Owns: all are copied.
 */
void profile_add_sample(struct profile *profile, const uint64_t *addresses, size_t address_count,
                        const int64_t *values, const struct profile_label *labels,
                        size_t label_count);

/* profile_add_comment adds a line for people to read. */
void profile_add_comment(struct profile *profile, const char *text);

/* profile_encode writes the profile as gzipped protobuf.
 *
 * Owns:    the caller frees *ret_data with free().
 * Returns: 0 with both set; UV_ENOMEM.
 */
MUST_USE int profile_encode(struct profile *profile, char **ret_data, size_t *ret_len);

#endif
