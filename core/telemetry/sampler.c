/* SPDX-License-Identifier: MIT
 *
 * sampler.c - decides by a ratio, or by the parent's decision.
 */
#include "core/telemetry/sampler.h"

#include <endian.h>
#include <stdlib.h>

#define BITS 63 /* of the trace id's end, as OpenTelemetry's SDKs compare them */

bool sampler_init(struct sampler *sampler, enum sampler_kind kind, const char *arg)
{
    double ratio = 1;
    if (arg != NULL && arg[0] != '\0') {
        char *end;
        ratio = strtod(arg, &end);
        const bool is_plain = strspn(arg, "0123456789.eE-+") == strlen(arg);
        if (!is_plain || *end != '\0' || !(ratio >= 0 && ratio <= 1)) {
            return false;
        }
    }
    sampler->kind = kind;
    sampler->bound = (uint64_t)(ratio * (double)(UINT64_C(1) << BITS));
    return true;
}

static bool is_below(const struct sampler *sampler, const struct trace_context *context)
{
    uint64_t end;
    memcpy(&end, context->trace_id + TRACE_ID_BYTES - sizeof(end), sizeof(end));
    return be64toh(end) >> 1 < sampler->bound;
}

bool sampler_wants(const struct sampler *sampler, const struct trace_context *context,
                   bool has_caller)
{
    const bool is_by_caller = sampler->kind == SAMPLER_PARENT_ALWAYS_ON ||
                              sampler->kind == SAMPLER_PARENT_ALWAYS_OFF ||
                              sampler->kind == SAMPLER_PARENT_RATIO;
    if (is_by_caller && has_caller) {
        return (context->flags & TRACE_SAMPLED) != 0;
    }
    switch (sampler->kind) {
    case SAMPLER_ALWAYS_ON:
    case SAMPLER_PARENT_ALWAYS_ON:
        return true;
    case SAMPLER_RATIO:
    case SAMPLER_PARENT_RATIO:
        return is_below(sampler, context);
    default:
        return false;
    }
}
