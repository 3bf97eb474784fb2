/* SPDX-License-Identifier: MIT
 *
 * config_tracing.h - the variables about spans, of OpenTelemetry and Jaeger: the receivers, the
 * sampler, the limits.
 *
 * Source: OpenTelemetry specification 1.60: sdk-environment-variables, protocol/exporter. A wrong
 *         value is an error, as everywhere in toq, not a warning.
 */
#ifndef TOQ_CONFIG_CONFIG_TRACING_H
#define TOQ_CONFIG_CONFIG_TRACING_H

#include "config/config_options.h"

/* A variable for OTLP, and the same for traces alone, which goes before. "": unset; 0: unset. */
enum config_otlp { CONFIG_OTLP_ALL, CONFIG_OTLP_TRACES, CONFIG_OTLP_COUNT };

struct config_tracing {
    char jaeger_endpoint[CONFIG_TEXT_BYTES];
    bool is_disabled;
    int exporter; /* OTEL_TRACES_EXPORTER: 0: otlp, 1: none */
    char service_name[CONFIG_TEXT_BYTES];
    char resource_attributes[CONFIG_LIST_BYTES];
    int sampler; /* enum sampler_kind */
    char sampler_arg[CONFIG_TEXT_BYTES];
    uint64_t schedule_delay_ms;
    uint64_t export_timeout_ms;
    uint64_t queue_size;
    uint64_t batch_size;
    char endpoint[CONFIG_OTLP_COUNT][CONFIG_TEXT_BYTES];
    char headers[CONFIG_OTLP_COUNT][CONFIG_LIST_BYTES]; /* secret */
    uint64_t timeout_ms[CONFIG_OTLP_COUNT];
    char compression[CONFIG_OTLP_COUNT][CONFIG_TEXT_BYTES];
    char protocol[CONFIG_OTLP_COUNT][CONFIG_TEXT_BYTES];
    char certificate[CONFIG_OTLP_COUNT][CONFIG_TEXT_BYTES];
    char client_certificate[CONFIG_OTLP_COUNT][CONFIG_TEXT_BYTES];
    char client_key[CONFIG_OTLP_COUNT][CONFIG_TEXT_BYTES];
};

/* The table; offsets are of struct config_tracing. */
extern const struct config_option config_tracing_options[];
extern const size_t config_tracing_option_count;

/* config_tracing_text is the value for traces, or for all, or "". */
static inline const char *config_tracing_text(const char (*pair)[CONFIG_TEXT_BYTES])
{
    return pair[CONFIG_OTLP_TRACES][0] != '\0' ? pair[CONFIG_OTLP_TRACES] : pair[CONFIG_OTLP_ALL];
}

/* config_tracing_check refuses what no table can tell is wrong.
 *
 * error: CONFIG_ERROR_BYTES.
 * Returns: true; false with `error` set.
 */
MUST_USE bool config_tracing_check(const struct config_tracing *tracing, char *error);

#endif
