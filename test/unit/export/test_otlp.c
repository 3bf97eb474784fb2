/* SPDX-License-Identifier: MIT
 *
 * test_otlp.c - a request for a receiver, unpacked again, and what receivers answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/export/otlp.pb-c.h"
#include "test/unit/export/span_rig.h"

struct encoded {
    struct buf out;
    Otlp__ExportRequest *request;
};

static Otlp__ResourceSpans *encode(struct encoded *encoded, size_t span_count)
{
    struct export_resource resource;
    struct span spans[2];
    rig_resource(&resource);
    rig_spans(spans);
    buf_init(&encoded->out, 1 << 16);
    otlp_encode(&resource, spans, span_count, &encoded->out);
    assert_false(encoded->out.is_failed);
    encoded->request =
        otlp__export_request__unpack(NULL, encoded->out.len, (const uint8_t *)encoded->out.data);
    assert_non_null(encoded->request);
    assert_int_equal(encoded->request->n_resource_spans, 1);
    return encoded->request->resource_spans[0];
}

static void drop(struct encoded *encoded)
{
    otlp__export_request__free_unpacked(encoded->request, NULL);
    buf_deinit(&encoded->out);
}

static void assert_text(const Otlp__KeyValue *pair, const char *key, const char *text)
{
    assert_string_equal(pair->key, key);
    assert_int_equal(pair->value->value_case, OTLP__ANY_VALUE__VALUE_STRING_VALUE);
    assert_string_equal(pair->value->string_value, text);
}

static void assert_number(const Otlp__KeyValue *pair, const char *key, int64_t number)
{
    assert_string_equal(pair->key, key);
    assert_int_equal(pair->value->value_case, OTLP__ANY_VALUE__VALUE_INT_VALUE);
    assert_int_equal(pair->value->int_value, number);
}

static void assert_flag(const Otlp__KeyValue *pair, const char *key, bool is_on)
{
    assert_string_equal(pair->key, key);
    assert_int_equal(pair->value->value_case, OTLP__ANY_VALUE__VALUE_BOOL_VALUE);
    assert_int_equal(pair->value->bool_value, is_on);
}

static void test_what_all_spans_are_of(void **state)
{
    (void)state;
    struct encoded encoded;
    const Otlp__ResourceSpans *all = encode(&encoded, 0);
    assert_int_equal(all->resource->n_attributes, 2);
    assert_text(all->resource->attributes[0], "service.name", "shop");
    assert_text(all->resource->attributes[1], "host.name", "h\xc3\xa9");
    assert_int_equal(all->n_scope_spans, 1);
    assert_string_equal(all->scope_spans[0]->scope->name, "toq");
    assert_string_equal(all->scope_spans[0]->scope->version, "1.2");
    assert_int_equal(all->scope_spans[0]->n_spans, 0);
    drop(&encoded);
}

/* Flags 0x100 and 0x200: it is known whether the parent is remote, and it is. */
static void test_a_failed_span_of_the_server(void **state)
{
    (void)state;
    struct encoded encoded;
    const Otlp__Span *span = encode(&encoded, 2)->scope_spans[0]->spans[0];
    assert_int_equal(span->trace_id.len, 16);
    assert_int_equal(span->trace_id.data[15], 16);
    assert_int_equal(span->span_id.len, 8);
    assert_int_equal(span->span_id.data[0], 0x80);
    assert_int_equal(span->parent_span_id.len, 8);
    assert_int_equal(span->parent_span_id.data[7], 0xff);
    assert_string_equal(span->name, "GET /x");
    assert_string_equal(span->trace_state, "a=1");
    assert_int_equal(span->kind, 2);
    assert_int_equal(span->start_time_unix_nano, 1700000000000001999);
    assert_int_equal(span->end_time_unix_nano, 1700000000250002999);
    assert_int_equal(span->status->code, 2);
    assert_int_equal(span->flags, 0x301);
    assert_int_equal(span->n_attributes, 3);
    assert_text(span->attributes[0], "http.route", "/x");
    assert_number(span->attributes[1], "http.response.status_code", 500);
    assert_flag(span->attributes[2], "sampling.tail", true);
    drop(&encoded);
}

static void test_a_span_below_it(void **state)
{
    (void)state;
    struct encoded encoded;
    const Otlp__ScopeSpans *scope = encode(&encoded, 2)->scope_spans[0];
    const Otlp__Span *span = scope->spans[1];
    assert_int_equal(scope->n_spans, 2);
    assert_int_equal(span->kind, 3);
    assert_memory_equal(span->parent_span_id.data, scope->spans[0]->span_id.data, 8);
    assert_null(span->status);
    assert_int_equal(span->flags, 0x100);
    assert_number(span->attributes[0], "toq.delta", -1);
    assert_flag(span->attributes[1], "toq.read.shared", false);
    drop(&encoded);
}

static void test_a_span_without_a_parent(void **state)
{
    (void)state;
    struct export_resource resource;
    struct span spans[2];
    struct buf out;
    rig_resource(&resource);
    rig_spans(spans);
    spans[0].has_parent = false;
    buf_init(&out, 1 << 16);
    otlp_encode(&resource, spans, 1, &out);
    Otlp__ExportRequest *request =
        otlp__export_request__unpack(NULL, out.len, (const uint8_t *)out.data);
    const Otlp__Span *span = request->resource_spans[0]->scope_spans[0]->spans[0];
    assert_int_equal(span->parent_span_id.len, 0);
    assert_int_equal(span->flags, 0x101);
    otlp__export_request__free_unpacked(request, NULL);
    buf_deinit(&out);
}

static void test_a_buffer_that_is_full(void **state)
{
    (void)state;
    struct export_resource resource;
    struct span spans[2];
    struct buf out;
    rig_resource(&resource);
    rig_spans(spans);
    buf_init(&out, 100);
    otlp_encode(&resource, spans, 2, &out);
    assert_true(out.is_failed);
    buf_deinit(&out);
}

/* The bodies by hand: field 1 of the answer is {1: rejected, 2: message}; of an error, field 1 is
 * the code and field 2 the message. */
static void test_answers(void **state)
{
    (void)state;
    static const struct {
        struct str body;
        bool is_error;
        bool is_read;
        int64_t rejected_spans;
        const char *message;
    } rows[] = {
        {STR(""), false, true, 0, ""},
        {STR("\x0a\x07\x08\x05\x12\x03"
             "bad"),
         false, true, 5, "bad"},
        {STR("\x0a\x05\x12\x03"
             "a\nb"),
         false, true, 0, "a?b"},
        {STR("\x0a\x07\x08"), false, false, 0, ""},
        {STR("\x08\x0d\x12\x05"
             "no\x1b[1"),
         true, true, 0, "no?[1"},
        {STR("<html>"), true, false, 0, ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct otlp_answer answer = otlp_read_answer(rows[i].body, rows[i].is_error);
        assert_int_equal(answer.is_read, rows[i].is_read);
        assert_int_equal(answer.rejected_spans, rows[i].rejected_spans);
        assert_string_equal(answer.message, rows[i].message);
    }
}

static void test_a_long_message_is_cut(void **state)
{
    (void)state;
    unsigned char message[3 + 200] = {0x12, 0xc8, 0x01}; /* 200 as a varint */
    memset(message + 3, 'x', 200);
    const struct otlp_answer answer =
        otlp_read_answer((struct str){(const char *)message, sizeof(message)}, true);
    assert_true(answer.is_read);
    assert_int_equal(strlen(answer.message), sizeof(answer.message) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_all_spans_are_of),
        cmocka_unit_test(test_a_failed_span_of_the_server),
        cmocka_unit_test(test_a_span_below_it),
        cmocka_unit_test(test_a_span_without_a_parent),
        cmocka_unit_test(test_a_buffer_that_is_full),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_a_long_message_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
