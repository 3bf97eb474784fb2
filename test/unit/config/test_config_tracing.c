/* SPDX-License-Identifier: MIT
 *
 * test_config_tracing.c - the rules of spans' variables, and which of two goes before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <unistd.h>

#include "config/config.h"

static struct config config;
static char error[CONFIG_ERROR_BYTES];

/* leave_env_files: they name modules' variables, which are not in the set. */
static int leave_env_files(void **state)
{
    (void)state;
    return chdir("/");
}

static bool load(const char *first, const char *second)
{
    const char *const variables[] = {first, second, NULL};
    struct config_set set;
    config_set_init(&set, &config);
    return config_load_from(&set, variables, error);
}

static void test_what_is_allowed(void **state)
{
    (void)state;
    static const char *const right[] = {
        "JAEGER_ENDPOINT=http://localhost:14268/api/traces",
        "OTEL_EXPORTER_OTLP_ENDPOINT=https://collector.example",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://[::1]:4318/x",
        "OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20x,a=b",
        "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf",
        "OTEL_TRACES_SAMPLER_ARG=0.25",
        "OTEL_TRACES_SAMPLER=traceidratio",
        "OTEL_RESOURCE_ATTRIBUTES=a=1,b=%41",
        "OTEL_SDK_DISABLED=",
    };
    for (size_t i = 0; i < ARRAY_COUNT(right); i++) {
        assert_true(load(right[i], NULL));
    }
}

static void test_what_is_not(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "JAEGER_ENDPOINT=localhost:14268",
        "JAEGER_ENDPOINT=http://:80",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://example",
        "OTEL_EXPORTER_OTLP_HEADERS=secret",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS==secret",
        "OTEL_EXPORTER_OTLP_COMPRESSION=lzma",
        "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
        "OTEL_TRACES_SAMPLER_ARG=2",
        "OTEL_TRACES_SAMPLER_ARG=-",
        "OTEL_TRACES_SAMPLER=jaeger_remote",
        "OTEL_RESOURCE_ATTRIBUTES=a=%4",
        "OTEL_BSP_MAX_QUEUE_SIZE=0",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY=/key.pem",
    };
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_false(load(wrong[i], NULL));
        const size_t name_len = strcspn(wrong[i], "=");
        assert_memory_equal(error, wrong[i], name_len);
        assert_null(strstr(error, "secret"));
    }
}

static void test_the_one_for_traces_goes_before(void **state)
{
    (void)state;
    assert_true(load("OTEL_EXPORTER_OTLP_CERTIFICATE=/all", NULL));
    assert_string_equal(config_tracing_text(config.tracing.certificate), "/all");
    assert_true(load("OTEL_EXPORTER_OTLP_CERTIFICATE=/all",
                     "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE=/traces"));
    assert_string_equal(config_tracing_text(config.tracing.certificate), "/traces");
    assert_true(load(NULL, NULL));
    assert_string_equal(config_tracing_text(config.tracing.certificate), "");
    assert_int_equal(config.tracing.timeout_ms[CONFIG_OTLP_ALL], 10000);
    assert_int_equal(config.tracing.sampler, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_allowed),
        cmocka_unit_test(test_what_is_not),
        cmocka_unit_test(test_the_one_for_traces_goes_before),
    };
    return cmocka_run_group_tests_name("config_tracing", tests, leave_env_files, NULL);
}
