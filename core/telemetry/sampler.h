/* SPDX-License-Identifier: MIT
 *
 * sampler.h - which traces are recorded, decided when they begin: OpenTelemetry's six samplers.
 *
 * Thread: any.
 * Source: OpenTelemetry specification, trace SDK: Built-in samplers; sdk-environment-variables.
 */
#ifndef TOQ_CORE_TELEMETRY_SAMPLER_H
#define TOQ_CORE_TELEMETRY_SAMPLER_H

#include "core/telemetry/trace.h"

/* In the order of OTEL_TRACES_SAMPLER's choices. */
enum sampler_kind {
    SAMPLER_PARENT_ALWAYS_ON,
    SAMPLER_ALWAYS_ON,
    SAMPLER_ALWAYS_OFF,
    SAMPLER_RATIO,
    SAMPLER_PARENT_ALWAYS_OFF,
    SAMPLER_PARENT_RATIO,
};

struct sampler {
    enum sampler_kind kind;
    uint64_t bound; /* a trace without a caller is sampled if 63 bits of its id are below it */
};

/* sampler_init sets a sampler up.
 *
 * arg: of a ratio, 0 to 1; "" or NULL: 1.
 * Returns: false: arg is no ratio.
 */
MUST_USE bool sampler_init(struct sampler *sampler, enum sampler_kind kind, const char *arg);

/* sampler_wants decides.
 *
 * has_caller: the trace is a caller's, whose flags are the context's.
 */
bool sampler_wants(const struct sampler *sampler, const struct trace_context *context,
                   bool has_caller);

/* sampler_wants_own decides about a trace without a caller: id_end is trace_own_end's. */
static inline bool sampler_wants_own(const struct sampler *sampler, uint64_t id_end)
{
    return id_end >> 1 < sampler->bound;
}

/* sampler_is_off tells that no request is ever sampled, whoever calls: it need not be asked. */
static inline bool sampler_is_off(const struct sampler *sampler)
{
    return sampler->kind == SAMPLER_ALWAYS_OFF;
}

#endif
