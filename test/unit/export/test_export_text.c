/* SPDX-License-Identifier: MIT
 *
 * test_export_text.c - endpoints, fields and attributes as the variables say them, and Retry-After.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/clock.h"
#include "core/export/export.h"
#include "core/export/receiver.h"

static void test_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *traces;
        const char *generic;
        const char *url;
    } rows[] = {
        {"", "", ""},
        {"", "http://localhost:4318", "http://localhost:4318/v1/traces"},
        {"", "http://localhost:4318/", "http://localhost:4318/v1/traces"},
        {"", "https://c.example/otlp", "https://c.example/otlp/v1/traces"},
        {"", "https://c.example/otlp/", "https://c.example/otlp/v1/traces"},
        {"http://t:4318", "http://g:4318", "http://t:4318/"},
        {"http://t:4318/", "", "http://t:4318/"},
        {"http://t:4318/x/y", "", "http://t:4318/x/y"},
        {"http://[::1]:4318", "", "http://[::1]:4318/"},
    };
    char url[EXPORT_URL_BYTES];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_true(export_endpoint_make(rows[i].traces, rows[i].generic, url));
        assert_string_equal(url, rows[i].url);
    }
    assert_false(export_endpoint_make("localhost:4318", "", url));
    assert_false(export_endpoint_make("", "grpc://c", url));
    assert_false(export_endpoint_make("http://", "", url));
    assert_false(export_endpoint_make("", "http:///v1", url));
}

static const char *find(const struct export_resource *resource, const char *key)
{
    const char *found = NULL;
    for (size_t i = 0; i < resource->attr_count; i++) {
        if (strcmp(resource->attrs[i].key, key) == 0) {
            assert_null(found); /* once */
            found = resource->attrs[i].text;
        }
    }
    return found;
}

static void test_the_resource(void **state)
{
    (void)state;
    static struct export_resource resource;
    assert_true(export_resource_init(&resource, "", "", "1.2"));
    assert_string_equal(resource.service_name, "toq");
    assert_string_equal(find(&resource, "service.version"), "1.2");
    assert_non_null(find(&resource, "service.instance.id"));
    assert_true(export_resource_init(
        &resource, "",
        "service.name=shop,service.version=9, deployment.environment.name = a%20%3D b", "1.2"));
    assert_string_equal(resource.service_name, "shop");
    assert_string_equal(find(&resource, "service.version"), "9");
    assert_string_equal(find(&resource, "deployment.environment.name"), "a = b");
    assert_true(export_resource_init(&resource, "first", "service.name=second", "1.2"));
    assert_string_equal(find(&resource, "service.name"), "first");
    assert_false(export_resource_init(&resource, "", "x", "1.2"));
    assert_false(export_resource_init(&resource, "", "=x", "1.2"));
    assert_false(export_resource_init(&resource, "", "a=%zz", "1.2"));
    assert_false(export_resource_init(&resource, "", "a=%0", "1.2"));
    assert_false(export_resource_init(&resource, "", "a=%00", "1.2"));
}

static void test_fields(void **state)
{
    (void)state;
    static struct export_headers headers;
    assert_true(export_headers_parse(&headers, ""));
    assert_int_equal(headers.count, 0);
    assert_true(export_headers_parse(&headers, "Authorization=Bearer%20x=,api-key=1"));
    assert_int_equal(headers.count, 2);
    assert_true(str_equal(headers.list[0].name, STR("Authorization")));
    assert_true(str_equal(headers.list[0].value, STR("Bearer x=")));
    assert_true(str_equal(headers.list[1].value, STR("1")));
    assert_false(export_headers_parse(&headers, "a"));
    assert_false(export_headers_parse(&headers, "a=b%0d%0aHost:x")); /* no field of its own */
    assert_false(export_headers_parse(&headers, "a:b=c"));
}

static void test_retry_after(void **state)
{
    (void)state;
    const uint64_t wall_ns = UINT64_C(784111777) * NS_PER_S; /* Sun, 06 Nov 1994 08:49:37 GMT */
    assert_int_equal(receiver_retry_after_ms(STR("3"), wall_ns), 3000);
    assert_int_equal(receiver_retry_after_ms(STR("0"), wall_ns), 0);
    assert_int_equal(receiver_retry_after_ms(STR("99999999"), wall_ns), 3600000);
    assert_int_equal(receiver_retry_after_ms(STR("18446744073709551616"), wall_ns), 0);
    assert_int_equal(receiver_retry_after_ms(STR("Sun, 06 Nov 1994 08:49:42 GMT"), wall_ns), 5000);
    assert_int_equal(receiver_retry_after_ms(STR("Sun, 06 Nov 1994 08:49:30 GMT"), wall_ns), 0);
    assert_int_equal(receiver_retry_after_ms(STR("Sun, 06 Nov 2094 08:49:30 GMT"), wall_ns),
                     3600000);
    assert_int_equal(receiver_retry_after_ms(STR("soon"), wall_ns), 0);
    assert_int_equal(receiver_retry_after_ms(STR("-1"), wall_ns), 0);
    assert_int_equal(receiver_retry_after_ms((struct str){NULL, 0}, wall_ns), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_the_resource),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests_name("export_text", tests, NULL, NULL);
}
