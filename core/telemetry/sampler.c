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
    if (kind == SAMPLER_ALWAYS_OFF || kind == SAMPLER_PARENT_ALWAYS_OFF) {
        ratio = 0;
    } else if (kind == SAMPLER_ALWAYS_ON || kind == SAMPLER_PARENT_ALWAYS_ON) {
        ratio = 1;
    }
    sampler->kind = kind;
    sampler->bound = (uint64_t)(ratio * (double)(UINT64_C(1) << BITS));
    return true;
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
    uint64_t end;
    memcpy(&end, context->trace_id + TRACE_ID_BYTES - sizeof(end), sizeof(end));
    return sampler_wants_own(sampler, be64toh(end));
}
