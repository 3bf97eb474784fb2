/* SPDX-License-Identifier: MIT
 *
 * test_http.c - what a handler reads of a request: fields, query parameters, decoded text.
 *
 * Tests: core/http/field.c, core/http/method.c, core/http/status.c, core/http/target.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/http/request.h"
#include "core/http/server.h"

static struct http_server server;
static struct http_request req;

static int setup(void **state)
{
    (void)state;
    req = (struct http_request){0};
    arena_init(&req.arena, 65536);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&req.arena);
    return 0;
}

static void assert_query(const char *query, const char *name, const char *expected)
{
    struct str value = {NULL, 0};
    req.query = str_from(query);
    req.parameters = (struct str){NULL, 0};
    assert_int_equal(http_request_decode_query(&req), 0);
    const bool is_found = http_query_get(&req, str_from(name), &value);
    assert_int_equal(is_found, expected != NULL);
    if (expected != NULL) {
        assert_true(str_equal(value, str_from(expected)));
    }
}

static void test_query_parameters(void **state)
{
    (void)state;
    assert_query("", "a", NULL);
    assert_query("a=1", "a", "1");
    assert_query("a=1&b=2", "b", "2");
    assert_query("a=1&a=2", "a", "1");
    assert_query("ab=1&a=2", "a", "2");
    assert_query("a", "a", "");
    assert_query("a=", "a", "");
    assert_query("&&a=b=c&", "a", "b=c");
    assert_query("a=%20x+y%2B", "a", " x y+");
    assert_query("a=%", "a", "%"); /* as it stands */
    assert_query("a=%00", "a", "%00");
    assert_query("A=1", "a", NULL);
    assert_query("d%65bug=1", "debug", "1");
    assert_query("a%3Db=c&a%26b=%26%3D", "a=b", "c");
    assert_query("a%3Db=c&a%26b=%26%3D", "a&b", "&=");
    assert_query("a+b=1", "a b", "1");
    assert_query("%zz=1&a=2", "%zz", "1");
    assert_query("a&b&c", "c", "");
    assert_query("a&b&c", "", NULL);
    assert_query("=1", "", "1");
}

/* A filter that is dropped for want of memory would answer another question than was asked. */
static void test_a_query_without_memory_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1);
    req.arena = arena;
    req.query = STR("a=1");
    assert_int_equal(http_request_decode_query(&req), UV_ENOMEM);
    req.query = STR("");
    assert_int_equal(http_request_decode_query(&req), 0);
}

static const char *split(enum http_method method, const char *target, struct str rest)
{
    req.method = method;
    req.target = target == NULL ? (struct str){NULL, 0} : str_from(target);
    req.path = req.query = (struct str){NULL, 0};
    return http_request_split(&req, rest);
}

static void assert_split(const char *target, const char *path, const char *query)
{
    assert_null(split(METHOD_GET, target, str_from(target)));
    assert_true(str_equal(req.path, str_from(path)));
    assert_true(str_equal(req.query, str_from(query)));
    assert_non_null(req.query.ptr);
}

static void test_targets_are_split(void **state)
{
    (void)state;
    assert_split("/", "/", "");
    assert_split("/a/b", "/a/b", "");
    assert_split("/?", "/", "");
    assert_split("/a?b=c?d", "/a", "b=c?d");
    assert_null(split(METHOD_OPTIONS, "*", STR("*")));
    assert_true(str_equal(req.path, STR("*")));
    assert_null(split(METHOD_OTHER, NULL, (struct str){NULL, 0})); /* CONNECT over HTTP/2 */
    assert_true(str_equal(req.path, STR("/")));
    assert_null(split(METHOD_GET, "http://a/b", STR("/b")));
    assert_true(str_equal(req.path, STR("/b")));
}

static void test_targets_that_are_no_path(void **state)
{
    (void)state;
    static const char *const targets[] = {"", "a", "a/b", "?a", "*", "*/"};
    for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
        assert_string_equal(split(METHOD_GET, targets[i], str_from(targets[i])),
                            "the request target is not a path");
    }
    assert_non_null(split(METHOD_OPTIONS, "**", STR("**")));
    assert_non_null(split(METHOD_GET, NULL, (struct str){NULL, 0}));
    assert_string_equal(split(METHOD_GET, "/a#b", STR("/a#b")), "a fragment in the request target");
    assert_non_null(split(METHOD_GET, "http://a#/b", STR("/b")));
    assert_non_null(split(METHOD_OTHER, "/#", STR("/#")));
    assert_null(req.path.ptr);
}

static void test_fields_are_found_without_case(void **state)
{
    (void)state;
    struct http_header headers[] = {
        {STR("Accept"), STR("first")}, {STR("ACCEPT"), STR("second")}, {STR("X"), STR("")}};
    req.headers = headers;
    req.header_count = ARRAY_COUNT(headers);
    assert_true(str_equal(http_header_get(&req, STR("accept")), STR("first")));
    assert_non_null(http_header_get(&req, STR("x")).ptr);
    assert_null(http_header_get(&req, STR("accep")).ptr);
}

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

/* trace_with is the trace of a request with these fields. */
static const struct trace_context *trace_with(struct http_header *headers, size_t count)
{
    req.headers = headers;
    req.header_count = count;
    req.trace = (struct trace_context){.flags = 0};
    req.server = &server;
    req.task.slot = TASK_NO_SLOT; /* it is not in flight */
    return http_trace(&req);
}

static void test_a_trace_is_that_of_the_fields(void **state)
{
    (void)state;
    struct http_header headers[] = {
        {STR("TraceState"), STR("a=1,b=2")}, {STR("Traceparent"), STR(PARENT)},
        {STR("tracestate"), STR("")},        {STR("TRACESTATE"), STR("c=3")},
        {STR("traceparent"), STR(PARENT)},
    };
    const struct trace_context *trace = trace_with(headers, 4);
    assert_int_equal(trace->trace_id[0], 0x4b);
    assert_int_equal(trace->parent_id[7], 0xb7);
    assert_true(str_equal(trace->tracestate, STR("a=1,b=2,,c=3")));
    const struct trace_context first = *trace;
    trace = http_trace(&req);
    assert_memory_equal(trace->span_id, first.span_id, sizeof(first.span_id));
    trace = trace_with(headers, 2);
    assert_ptr_equal(trace->tracestate.ptr, headers[0].value.ptr);
    trace = trace_with(headers, ARRAY_COUNT(headers)); /* whose traceparent? */
    assert_int_equal(trace->parent_id[7], 0);
    assert_int_equal(trace->tracestate.len, 0);
    trace = trace_with(NULL, 0);
    assert_true(trace_has_begun(trace));
    assert_int_equal(trace->parent_id[7], 0);
}

static void test_a_trace_without_memory(void **state)
{
    (void)state;
    struct http_header headers[] = {{STR("tracestate"), STR("a=1")},
                                    {STR("tracestate"), STR("b=2")},
                                    {STR("traceparent"), STR(PARENT)}};
    struct arena arena;
    arena_init(&arena, 1);
    req.arena = arena;
    const struct trace_context *trace = trace_with(headers, ARRAY_COUNT(headers));
    assert_int_equal(trace->parent_id[7], 0xb7); /* only its state is lost */
    assert_int_equal(trace->tracestate.len, 0);
}

static void test_decode(void **state)
{
    (void)state;
    struct str decoded;
    const struct str plain = STR("a+b");
    assert_int_equal(http_decode(&req.arena, plain, false, &decoded), 0);
    assert_ptr_equal(decoded.ptr, plain.ptr); /* nothing to do: nothing copied */
    assert_int_equal(http_decode(&req.arena, plain, true, &decoded), 0);
    assert_true(str_equal(decoded, STR("a b")));
    assert_int_equal(http_decode(&req.arena, STR("%fF%C3%bc"), false, &decoded), 0);
    assert_true(str_equal(decoded, STR("\xFF\xC3\xBC")));
    static const char *const bad[] = {"%", "%1", "a%", "%g0", "%0g", "%00", "%%41"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(http_decode(&req.arena, str_from(bad[i]), false, &decoded), UV_EINVAL);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(http_method_name(METHOD_PATCH), "PATCH");
    assert_string_equal(http_method_name(METHOD_OTHER), "_OTHER");
    assert_string_equal(http_status_reason(404), "Not Found");
    assert_string_equal(http_status_reason(299), "Unknown");
}

#define WITH_REQUEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void test_control_bytes_are_found_wherever_they_stand(void **state)
{
    (void)state;
    char text[24];
    for (size_t len = 0; len <= sizeof(text); len++) {
        memset(text, 'a', sizeof(text));
        assert_true(http_is_safe((struct str){text, len}));
        for (size_t at = 0; at < len; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                text[at] = (char)byte;
                const bool is_control = byte < ' ' || byte == 0x7F;
                assert_int_equal(http_is_safe((struct str){text, len}), !is_control);
            }
            text[at] = at % 2 == 0 ? '\x80' : ' '; /* neighbours that might borrow */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_bytes_are_found_wherever_they_stand),
        WITH_REQUEST(test_query_parameters),
        WITH_REQUEST(test_a_query_without_memory_is_an_error),
        WITH_REQUEST(test_targets_are_split),
        WITH_REQUEST(test_targets_that_are_no_path),
        WITH_REQUEST(test_fields_are_found_without_case),
        WITH_REQUEST(test_a_trace_is_that_of_the_fields),
        WITH_REQUEST(test_a_trace_without_memory),
        WITH_REQUEST(test_decode),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
