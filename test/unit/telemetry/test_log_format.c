/* SPDX-License-Identifier: MIT
 *
 * test_log_format.c - lines as people and machines read them, and where a long one is cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "core/telemetry/log_format.h"

#define WALL_NS UINT64_C(1795391999123456789) /* 2026-11-22T23:59:59.123456789Z */

static size_t format_line(enum log_format format, enum log_level level,
                          const struct log_field *fields, size_t count, char *out)
{
    const struct log_record record = {
        .wall_ns = WALL_NS,
        .level = level,
        .component = "http",
        .message = "request done",
        .fields = fields,
        .count = count,
    };
    return log_format_line(format, &record, out);
}

/* assert_field formats one field and compares what stands between head and newline. */
static void assert_field(enum log_format format, struct log_field field, const char *expected)
{
    static const char text_head[] = "2026-11-22T23:59:59.123456Z INFO  http: request done";
    static const char json_head[] = "{\"time\":\"2026-11-22T23:59:59.123456Z\",\"level\":\"info\","
                                    "\"component\":\"http\",\"message\":\"request done\"";
    const struct str head = str_from(format == LOG_TEXT ? text_head : json_head);
    const struct str tail = str_from(format == LOG_TEXT ? "\n" : "}\n");
    char out[LOG_LINE_MAX_BYTES];
    const size_t len = format_line(format, LOG_INFO, &field, 1, out);
    assert_int_equal(len, head.len + strlen(expected) + tail.len);
    assert_memory_equal(out, head.ptr, head.len);
    assert_memory_equal(out + head.len, expected, strlen(expected));
    assert_memory_equal(out + len - tail.len, tail.ptr, tail.len);
}

static void test_text_pads_the_level(void **state)
{
    (void)state;
    char out[LOG_LINE_MAX_BYTES];
    const size_t len = format_line(LOG_TEXT, LOG_ERROR, NULL, 0, out);
    const struct str expected = STR("2026-11-22T23:59:59.123456Z ERROR http: request done\n");
    assert_int_equal(len, expected.len);
    assert_memory_equal(out, expected.ptr, len);
}

static void test_json_without_fields(void **state)
{
    (void)state;
    char out[LOG_LINE_MAX_BYTES];
    const size_t len = format_line(LOG_JSON, LOG_DEBUG, NULL, 0, out);
    const struct str expected = STR("{\"time\":\"2026-11-22T23:59:59.123456Z\",\"level\":\"debug\","
                                    "\"component\":\"http\",\"message\":\"request done\"}\n");
    assert_int_equal(len, expected.len);
    assert_memory_equal(out, expected.ptr, len);
}

static void test_text_quotes_what_could_mislead(void **state)
{
    (void)state;
    assert_field(LOG_TEXT, log_cstr("address", "127.0.0.1:8080"), " address=127.0.0.1:8080");
    assert_field(LOG_TEXT, log_cstr("name", ""), " name=\"\"");
    assert_field(LOG_TEXT, log_cstr("name", NULL), " name=\"\"");
    assert_field(LOG_TEXT, log_cstr("name", "a b"), " name=\"a b\"");
    assert_field(LOG_TEXT, log_cstr("name", "a=b"), " name=\"a=b\"");
    assert_field(LOG_TEXT, log_cstr("name", "a\"b\\"), " name=\"a\\\"b\\\\\"");
    assert_field(LOG_TEXT, log_cstr("name", "a\nb\x1b[0m"), " name=\"a\\nb\\u001b[0m\"");
    assert_field(LOG_TEXT, log_cstr("name", "\xFF"), " name=\"\xEF\xBF\xBD\"");
    assert_field(LOG_TEXT, log_cstr("name", "\xC3\xA4"), " name=\"\xC3\xA4\"");
    assert_field(LOG_TEXT, log_str("name", (struct str){"a\0b", 3}), " name=\"a\\u0000b\"");
}

static void test_text_numbers(void **state)
{
    (void)state;
    assert_field(LOG_TEXT, log_u64("n", UINT64_MAX), " n=18446744073709551615");
    assert_field(LOG_TEXT, log_i64("n", INT64_MIN), " n=-9223372036854775808");
    assert_field(LOG_TEXT, log_f64("n", 0.25), " n=0.25");
    assert_field(LOG_TEXT, log_f64("n", NAN), " n=NaN");
}

static void test_json_values(void **state)
{
    (void)state;
    assert_field(LOG_JSON, log_cstr("name", "a\"\n\xFF"), ",\"name\":\"a\\\"\\n\xEF\xBF\xBD\"");
    assert_field(LOG_JSON, log_u64("n", 1), ",\"n\":1");
    assert_field(LOG_JSON, log_i64("n", -1), ",\"n\":-1");
    assert_field(LOG_JSON, log_f64("n", 1e-9), ",\"n\":1e-09");
    assert_field(LOG_JSON, log_f64("n", INFINITY), ",\"n\":null");
}

/* assert_cut formats a value of `len` times `byte` and a field behind it, and checks the ends. */
static void assert_cut(enum log_format format, size_t len, char byte, const char *tail)
{
    char *value = malloc(len);
    assert_non_null(value);
    memset(value, byte, len);
    const struct log_field fields[] = {log_str("long", (struct str){value, len}),
                                       log_u64("status", 200)};
    char out[LOG_LINE_MAX_BYTES];
    const size_t n = format_line(format, LOG_INFO, fields, ARRAY_COUNT(fields), out);
    assert_in_range(n, 1, LOG_LINE_MAX_BYTES);
    assert_memory_equal(out + n - strlen(tail), tail, strlen(tail));
    assert_ptr_equal(memchr(out, '\n', n), out + n - 1);
    free(value);
}

static void test_a_long_value_is_cut_and_later_fields_stay(void **state)
{
    (void)state;
    const size_t lens[] = {4096, 5000, 100000};
    for (size_t i = 0; i < ARRAY_COUNT(lens); i++) {
        assert_cut(LOG_TEXT, lens[i], 'x', " status=200 cut=true\n");
        assert_cut(LOG_TEXT, lens[i], '\n', " status=200 cut=true\n");
        assert_cut(LOG_JSON, lens[i], 'x', "\",\"status\":200,\"cut\":true}\n");
        assert_cut(LOG_JSON, lens[i], '\x01', "\",\"status\":200,\"cut\":true}\n");
        assert_cut(LOG_JSON, lens[i], '"', "\",\"status\":200,\"cut\":true}\n");
    }
}

static void test_every_length_round_the_maximum_is_well_formed(void **state)
{
    (void)state;
    for (size_t len = LOG_LINE_MAX_BYTES - 200; len <= LOG_LINE_MAX_BYTES; len++) {
        char value[LOG_LINE_MAX_BYTES];
        memset(value, 'x', len);
        const struct log_field fields[] = {log_str("long", (struct str){value, len}),
                                           log_i64("n", INT64_MIN), log_cstr("end", "y")};
        char out[LOG_LINE_MAX_BYTES];
        const size_t n = format_line(LOG_JSON, LOG_INFO, fields, ARRAY_COUNT(fields), out);
        const bool is_whole = memmem(out, n, "\"end\":\"y\"}\n", 11) != NULL;
        const bool is_cut = memmem(out, n, ",\"cut\":true}\n", 13) != NULL;
        assert_true(is_whole != is_cut);
    }
}

static void format_traced(enum log_format format, size_t len, const char *tail)
{
    static const struct trace_context trace = {.trace_id = {0x4b, [15] = 0x36},
                                               .span_id = {[7] = 0xb7}};
    char value[LOG_LINE_MAX_BYTES];
    memset(value, 'x', sizeof(value));
    const struct log_field fields[] = {log_str("long", (struct str){value, len})};
    const struct log_context context = {.trace = &trace};
    const struct log_record record = {WALL_NS, LOG_INFO, "http",  "request done",
                                      fields,  1,        &context};
    char out[LOG_LINE_MAX_BYTES];
    const size_t n = log_format_line(format, &record, out);
    assert_in_range(n, strlen(tail), LOG_LINE_MAX_BYTES);
    assert_memory_equal(out + n - strlen(tail), tail, strlen(tail));
}

static void test_the_ids_of_a_trace_end_the_line(void **state)
{
    (void)state;
    format_traced(LOG_TEXT, 2,
                  " long=xx trace_id=4b000000000000000000000000000036 span_id=00000000000000b7\n");
    format_traced(LOG_JSON, 2,
                  ",\"long\":\"xx\",\"trace_id\":\"4b000000000000000000000000000036\","
                  "\"span_id\":\"00000000000000b7\"}\n");
}

static void put_peer(const void *owner, char *out)
{
    (void)owner;
    memcpy(out, "[::1]:7", sizeof("[::1]:7"));
}

static void test_what_a_line_is_for_stands_there_once(void **state)
{
    (void)state;
    static const struct trace_context trace = {.trace_id = {1}, .span_id = {2}};
    const struct log_context context = {
        .trace = &trace, .rpc = "a.B/C", .task = 9, .format_peer = put_peer};
    const struct log_context other = {.trace = &trace, .route = "/a", .format_peer = put_peer};
    const struct log_field fields[] = {log_cstr("route", "/b"), log_cstr("peer", "me")};
    struct log_record record = {WALL_NS, LOG_INFO, "http", "it", fields, 0, &context};
    char out[LOG_LINE_MAX_BYTES];
    out[log_format_line(LOG_JSON, &record, out)] = '\0';
    assert_non_null(strstr(out, "\"message\":\"it\",\"rpc\":\"a.B/C\",\"task\":9,"
                                "\"peer\":\"[::1]:7\",\"trace_id\":\"01"));
    record.count = 2;
    record.context = &other;
    out[log_format_line(LOG_TEXT, &record, out)] = '\0';
    assert_non_null(strstr(out, ": it route=/b peer=me trace_id=01"));
}

static void test_the_ids_always_fit(void **state)
{
    (void)state;
    format_traced(
        LOG_TEXT, LOG_LINE_MAX_BYTES,
        "x trace_id=4b000000000000000000000000000036 span_id=00000000000000b7 cut=true\n");
    format_traced(LOG_JSON, LOG_LINE_MAX_BYTES,
                  "x\",\"trace_id\":\"4b000000000000000000000000000036\","
                  "\"span_id\":\"00000000000000b7\",\"cut\":true}\n");
    for (size_t len = LOG_LINE_MAX_BYTES - 250; len < LOG_LINE_MAX_BYTES; len++) {
        format_traced(LOG_JSON, len, "}\n");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_pads_the_level),
        cmocka_unit_test(test_json_without_fields),
        cmocka_unit_test(test_text_quotes_what_could_mislead),
        cmocka_unit_test(test_text_numbers),
        cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_a_long_value_is_cut_and_later_fields_stay),
        cmocka_unit_test(test_every_length_round_the_maximum_is_well_formed),
        cmocka_unit_test(test_the_ids_of_a_trace_end_the_line),
        cmocka_unit_test(test_what_a_line_is_for_stands_there_once),
        cmocka_unit_test(test_the_ids_always_fit),
    };
    return cmocka_run_group_tests_name("log_format", tests, NULL, NULL);
}
