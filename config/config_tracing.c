/* SPDX-License-Identifier: MIT
 *
 * config_tracing.c - the options of spans.
 */
#include "config/config_tracing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_error.h"

#define TEXT_MAX       (CONFIG_TEXT_BYTES - 1)
#define TIMEOUT_MAX_MS 3600000

static const char *const exporter_names[] = {"otlp", "none", NULL};

/* in the order of enum sampler_kind, in core/telemetry */
static const char *const sampler_names[] = {
    "parentbased_always_on",    "always_on", "always_off", "traceidratio", "parentbased_always_off",
    "parentbased_traceidratio", NULL};

#define FIELD(name) offsetof(struct config_tracing, name)

/* as in config_core.c */
/* clang-format off */
const struct config_option config_tracing_options[] = {
    {.name = "JAEGER_ENDPOINT", .kind = CONFIG_TEXT, .offset = FIELD(jaeger_endpoint),
     .min = 8, .max = TEXT_MAX,
     .help = "where spans go as Jaeger's Thrift, such as http://localhost:14268/api/traces"},
    {.name = "OTEL_SDK_DISABLED", .kind = CONFIG_BOOL, .offset = FIELD(is_disabled),
     .value = "false",
     .help = "turns the export of spans off, whatever the endpoints"},
    {.name = "OTEL_TRACES_EXPORTER", .kind = CONFIG_CHOICE, .offset = FIELD(exporter),
     .value = "otlp", .choices = exporter_names,
     .help = "whether spans go to the OTLP endpoint"},
    {.name = "OTEL_SERVICE_NAME", .kind = CONFIG_TEXT, .offset = FIELD(service_name),
     .min = 1, .max = TEXT_MAX,
     .help = "the service of all spans; unset: service.name of the attributes, else toq"},
    {.name = "OTEL_RESOURCE_ATTRIBUTES", .kind = CONFIG_LIST,
     .offset = FIELD(resource_attributes), .min = 3, .max = CONFIG_LIST_BYTES - 1,
     .help = "attributes of the server, sent with its spans, each key=value, percent-encoded"},
    {.name = "OTEL_TRACES_SAMPLER", .kind = CONFIG_CHOICE, .offset = FIELD(sampler),
     .value = "parentbased_always_on", .choices = sampler_names,
     .help = "which requests are exported; failed, slow and loop-holding ones always are"},
    {.name = "OTEL_TRACES_SAMPLER_ARG", .kind = CONFIG_TEXT, .offset = FIELD(sampler_arg),
     .min = 1, .max = 32,
     .help = "the ratio of a traceidratio sampler, 0 to 1; unset: 1"},
    {.name = "OTEL_BSP_SCHEDULE_DELAY", .kind = CONFIG_NUMBER, .offset = FIELD(schedule_delay_ms),
     .value = "5000", .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .zero = "sends at the next tick of 100 ms",
     .help = "how long a span waits for others before it is sent"},
    {.name = "OTEL_BSP_EXPORT_TIMEOUT", .kind = CONFIG_NUMBER, .offset = FIELD(export_timeout_ms),
     .value = "30000", .min = 1, .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .help = "how long the server tries to deliver a batch"},
    {.name = "OTEL_BSP_MAX_QUEUE_SIZE", .kind = CONFIG_NUMBER, .offset = FIELD(queue_size),
     .value = "2048", .min = 1, .max = 1048576, .unit = "requests",
     .help = "most that wait to be exported, each with all its spans; more are dropped and "
             "counted"},
    {.name = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", .kind = CONFIG_NUMBER, .offset = FIELD(batch_size),
     .value = "512", .min = 1, .max = 16384, .unit = "spans",
     .help = "most that are sent at once"},

    {.name = "OTEL_EXPORTER_OTLP_ENDPOINT", .kind = CONFIG_TEXT,
     .offset = FIELD(endpoint[CONFIG_OTLP_ALL]), .min = 8, .max = TEXT_MAX,
     .help = "where OTLP goes, such as http://localhost:4318; v1/traces is added"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", .kind = CONFIG_TEXT,
     .offset = FIELD(endpoint[CONFIG_OTLP_TRACES]), .min = 8, .max = TEXT_MAX,
     .help = "where spans go as OTLP; taken as it is"},
    {.name = "OTEL_EXPORTER_OTLP_HEADERS", .kind = CONFIG_SECRETS,
     .offset = FIELD(headers[CONFIG_OTLP_ALL]), .min = 3, .max = CONFIG_LIST_BYTES - 1,
     .help = "header fields of each export, each name=value, percent-encoded"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_HEADERS", .kind = CONFIG_SECRETS,
     .offset = FIELD(headers[CONFIG_OTLP_TRACES]), .min = 3, .max = CONFIG_LIST_BYTES - 1,
     .help = "the same for spans, in place of those"},
    {.name = "OTEL_EXPORTER_OTLP_TIMEOUT", .kind = CONFIG_NUMBER,
     .offset = FIELD(timeout_ms[CONFIG_OTLP_ALL]),
     .value = "10000", .min = 1, .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .help = "how long one attempt to deliver a batch may take"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", .kind = CONFIG_NUMBER,
     .offset = FIELD(timeout_ms[CONFIG_OTLP_TRACES]),
     .value = "0", .max = TIMEOUT_MAX_MS, .unit = "milliseconds",
     .zero = "takes OTEL_EXPORTER_OTLP_TIMEOUT",
     .help = "the same for spans"},
    {.name = "OTEL_EXPORTER_OTLP_COMPRESSION", .kind = CONFIG_TEXT,
     .offset = FIELD(compression[CONFIG_OTLP_ALL]), .min = 4, .max = 4,
     .help = "gzip or none; unset: none"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", .kind = CONFIG_TEXT,
     .offset = FIELD(compression[CONFIG_OTLP_TRACES]), .min = 4, .max = 4,
     .help = "the same for spans"},
    {.name = "OTEL_EXPORTER_OTLP_PROTOCOL", .kind = CONFIG_TEXT,
     .offset = FIELD(protocol[CONFIG_OTLP_ALL]), .min = 1, .max = TEXT_MAX,
     .help = "http/protobuf, the only one supported"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", .kind = CONFIG_TEXT,
     .offset = FIELD(protocol[CONFIG_OTLP_TRACES]), .min = 1, .max = TEXT_MAX,
     .help = "the same for spans"},
    {.name = "OTEL_EXPORTER_OTLP_CERTIFICATE", .kind = CONFIG_TEXT,
     .offset = FIELD(certificate[CONFIG_OTLP_ALL]), .min = 1, .max = TEXT_MAX,
     .help = "PEM file of the authorities that a receiver's certificate is checked against; "
             "unset: the system's"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", .kind = CONFIG_TEXT,
     .offset = FIELD(certificate[CONFIG_OTLP_TRACES]), .min = 1, .max = TEXT_MAX,
     .help = "the same for spans"},
    {.name = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", .kind = CONFIG_TEXT,
     .offset = FIELD(client_certificate[CONFIG_OTLP_ALL]), .min = 1, .max = TEXT_MAX,
     .help = "PEM file of the certificate that the server shows to a receiver"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", .kind = CONFIG_TEXT,
     .offset = FIELD(client_certificate[CONFIG_OTLP_TRACES]), .min = 1, .max = TEXT_MAX,
     .help = "the same for spans"},
    {.name = "OTEL_EXPORTER_OTLP_CLIENT_KEY", .kind = CONFIG_TEXT,
     .offset = FIELD(client_key[CONFIG_OTLP_ALL]), .min = 1, .max = TEXT_MAX,
     .help = "PEM file of its key"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", .kind = CONFIG_TEXT,
     .offset = FIELD(client_key[CONFIG_OTLP_TRACES]), .min = 1, .max = TEXT_MAX,
     .help = "the same for spans"},
};
/* clang-format on */

const size_t config_tracing_option_count = ARRAY_COUNT(config_tracing_options);

/* --- rules --- */

/* The names of a pair, for messages. */
static const char *name_of(const char *tail, int which, char *out)
{
    static const char *const heads[] = {"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"};
    (void)snprintf(out, CONFIG_TEXT_BYTES, "%s%s", heads[which], tail);
    return out;
}

static bool is_url(const char *text)
{
    const bool is_http = strncmp(text, "http://", 7) == 0;
    const char *host = is_http ? text + 7 : strncmp(text, "https://", 8) == 0 ? text + 8 : "";
    return host[0] != '\0' && host[0] != '/' && host[0] != ':' && strpbrk(text, "#\"<>\\") == NULL;
}

static bool check_url(const char *name, const char *text, char *error)
{
    return text[0] == '\0' || is_url(text) ||
           config_error_set(error,
                            "%s: \"%s\" is not allowed: a URL that begins with http:// or https://",
                            name, text);
}

static bool check_one_of(const char *name, const char *text, const char *first, const char *second,
                         char *error)
{
    return text[0] == '\0' || strcmp(text, first) == 0 || strcmp(text, second) == 0 ||
           config_error_set(error, "%s: \"%s\" is not allowed: %s%s%s", name, text, first,
                            strcmp(first, second) == 0 ? "" : " or ",
                            strcmp(first, second) == 0 ? "" : second);
}

/* has_pairs: each member has a key, a '=' and escapes of two digits. */
static bool has_pairs(const char *list)
{
    while (*list != '\0') {
        const size_t len = strcspn(list, ",");
        const char *equals = memchr(list, '=', len);
        if (len > 0 && (equals == NULL || equals == list)) {
            return false;
        }
        for (size_t i = 0; i < len; i++) {
            if (list[i] == '%' &&
                (i + 2 >= len || strspn(list + i + 1, "0123456789abcdefABCDEF") < 2)) {
                return false;
            }
        }
        list += len + (list[len] == ',');
    }
    return true;
}

static bool check_pairs(const char *name, const char *list, bool is_secret, char *error)
{
    return has_pairs(list) ||
           config_error_set(error,
                            "%s: \"%s\" is not allowed: key=value, percent-encoded, with "
                            "commas between",
                            name, is_secret ? "***" : list);
}

static bool check_ratio(const struct config_tracing *tracing, char *error)
{
    const char *arg = tracing->sampler_arg;
    char *end;
    const double ratio = strtod(arg, &end);
    const bool is_ratio = strspn(arg, "0123456789.eE-+") == strlen(arg) && *end == '\0' &&
                          end != arg && ratio >= 0 && ratio <= 1;
    return arg[0] == '\0' || is_ratio ||
           config_error_set(error,
                            "OTEL_TRACES_SAMPLER_ARG: \"%s\" is not allowed: a ratio, 0 to 1", arg);
}

static bool check_pair(const struct config_tracing *t, int which, char *error)
{
    char name[CONFIG_TEXT_BYTES];
    return check_url(name_of("ENDPOINT", which, name), t->endpoint[which], error) &&
           check_pairs(name_of("HEADERS", which, name), t->headers[which], true, error) &&
           check_one_of(name_of("COMPRESSION", which, name), t->compression[which], "none", "gzip",
                        error) &&
           check_one_of(name_of("PROTOCOL", which, name), t->protocol[which], "http/protobuf",
                        "http/protobuf", error);
}

static bool check_key(const struct config_tracing *t, char *error)
{
    const bool has_cert = config_tracing_text(t->client_certificate)[0] != '\0';
    const bool has_key = config_tracing_text(t->client_key)[0] != '\0';
    return has_cert == has_key ||
           config_error_set(error,
                            "OTEL_EXPORTER_OTLP_CLIENT_KEY: \"%s\" is not allowed: a certificate "
                            "and a key belong together; see OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                            config_tracing_text(t->client_key));
}

bool config_tracing_check(const struct config_tracing *tracing, char *error)
{
    return check_url("JAEGER_ENDPOINT", tracing->jaeger_endpoint, error) &&
           check_ratio(tracing, error) &&
           check_pairs("OTEL_RESOURCE_ATTRIBUTES", tracing->resource_attributes, false, error) &&
           check_pair(tracing, CONFIG_OTLP_ALL, error) &&
           check_pair(tracing, CONFIG_OTLP_TRACES, error) && check_key(tracing, error);
}
