/* SPDX-License-Identifier: MIT
 *
 * app_export.c - turns the variables about spans into options of the exporter.
 */
#include "core/app/app_export.h"

#include <stdio.h>

#include "core/base/clock.h"
#include "core/loop/statements.h"

#define HOLD_NS (20 * NS_PER_MS) /* as core/loop/loop.c calls a turn long */

static bool has_text(const char *text)
{
    return text[0] != '\0';
}

/* fill_otlp reads the variables of OTLP. Returns: false: one of them is wrong. */
static bool fill_otlp(struct exporter_target *target, const struct config_tracing *t)
{
    const uint64_t own_ms = t->timeout_ms[CONFIG_OTLP_TRACES];
    const char *headers = has_text(t->headers[CONFIG_OTLP_TRACES]) ? t->headers[CONFIG_OTLP_TRACES]
                                                                   : t->headers[CONFIG_OTLP_ALL];
    target->timeout_ms = own_ms != 0 ? own_ms : t->timeout_ms[CONFIG_OTLP_ALL];
    target->is_gzip = strcmp(config_tracing_text(t->compression), "gzip") == 0;
    return t->exporter != 0 || (export_endpoint_make(t->endpoint[CONFIG_OTLP_TRACES],
                                                     t->endpoint[CONFIG_OTLP_ALL], target->url) &&
                                export_headers_parse(&target->headers, headers));
}

static bool fill_targets(struct exporter_options *options, const struct config_tracing *t)
{
    struct exporter_target *jaeger = &options->targets[EXPORTER_JAEGER];
    (void)snprintf(jaeger->url, sizeof(jaeger->url), "%s", t->jaeger_endpoint);
    jaeger->timeout_ms = t->timeout_ms[CONFIG_OTLP_ALL];
    options->ca_file = config_tracing_text(t->certificate);
    options->cert_file = config_tracing_text(t->client_certificate);
    options->key_file = config_tracing_text(t->client_key);
    options->schedule_ms = t->schedule_delay_ms;
    options->export_timeout_ms = t->export_timeout_ms;
    options->batch_spans = t->batch_size;
    return fill_otlp(&options->targets[EXPORTER_OTLP], t);
}

static void fill_peers(struct span_peers *peers, const struct config *c)
{
    *peers = (struct span_peers){
        .mysql_host = c->mysql_host,
        .mysql_port = c->mysql_port,
        .mysql_database = c->mysql_database,
        .redis_host = c->redis_host,
        .redis_port = c->redis_port,
        .redis_db = c->redis_db,
    };
}

static bool has_endpoint(const struct config_tracing *t)
{
    const bool has_otlp = t->exporter == 0 && has_text(config_tracing_text(t->endpoint));
    return !t->is_disabled && (has_otlp || has_text(t->jaeger_endpoint));
}

int app_export_open(struct app_export *export, const struct app_exporting *what)
{
    const struct config *c = what->config;
    const struct config_tracing *t = &c->tracing;
    struct exporter_options *options = &export->options;
    if (!has_endpoint(t)) {
        return 0;
    }
    options->loop = what->loop;
    options->lookups = what->pools->lookups;
    options->pool = what->pools->diag;
    options->metrics = what->metrics;
    options->version = what->version;
    fill_peers(&options->peers, c);
    if (!fill_targets(options, t) ||
        !export_resource_init(&options->resource, t->service_name, t->resource_attributes,
                              what->version) ||
        !sampler_init(&export->spans.sampler, (enum sampler_kind)t->sampler, t->sampler_arg)) {
        return UV_EINVAL;
    }
    options->ring = span_ring_create(t->queue_size);
    export->statements = statements_create();
    if (options->ring == NULL || export->statements == NULL) {
        return UV_ENOMEM;
    }
    options->peers.statements = export->statements;
    export->spans.ring = options->ring;
    export->spans.slow_ns = c->slow_request_ms * NS_PER_MS;
    export->spans.hold_ns = HOLD_NS;
    export->spans.look_ns = export->spans.slow_ns > 0 && export->spans.slow_ns < HOLD_NS
                                ? export->spans.slow_ns
                                : HOLD_NS;
    export->is_on = true;
    return exporter_create(options, &export->exporter);
}

const struct http_spans *app_export_spans(const struct app_export *export)
{
    return export->is_on ? &export->spans : NULL;
}

void app_export_deinit(struct app_export *export)
{
    span_ring_destroy(export->options.ring);
    export->options.ring = NULL;
    statements_destroy(export->statements);
    export->statements = NULL;
}
