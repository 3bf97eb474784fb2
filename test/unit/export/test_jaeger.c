/* SPDX-License-Identifier: MIT
 *
 * test_jaeger.c - a batch, read again by the rules of Thrift's binary protocol, has the fields of
 * jaeger.thrift.
 *
 * Source: Thrift's specification of TBinaryProtocol; jaeger-idl, thrift/jaeger.thrift.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

#include "test/unit/export/span_rig.h"

struct reader {
    const unsigned char *at;
    const unsigned char *end;
    struct buf *text;
};

static uint64_t take(struct reader *reader, size_t bytes)
{
    uint64_t value = 0;
    assert_true((size_t)(reader->end - reader->at) >= bytes);
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | *reader->at++;
    }
    return value;
}

static void read_struct(struct reader *reader);

/* read_value writes a value of Thrift's type as text. */
static void read_value(struct reader *reader, unsigned type)
{
    switch (type) {
    case 2:
        buf_append_cstr(reader->text, take(reader, 1) != 0 ? "true" : "false");
        break;
    case 8:
        buf_printf(reader->text, "%d", (int)(int32_t)take(reader, 4));
        break;
    case 10:
        buf_printf(reader->text, "%" PRId64, (int64_t)take(reader, 8));
        break;
    case 11: {
        const size_t len = take(reader, 4);
        assert_true((size_t)(reader->end - reader->at) >= len);
        buf_printf(reader->text, "'%.*s'", (int)len, (const char *)reader->at);
        reader->at += len;
        break;
    }
    case 12:
        read_struct(reader);
        break;
    case 15: {
        const unsigned of = (unsigned)take(reader, 1);
        const size_t count = take(reader, 4);
        buf_append_char(reader->text, '[');
        for (size_t i = 0; i < count; i++) {
            read_value(reader, of);
        }
        buf_append_char(reader->text, ']');
        break;
    }
    default:
        fail_msg("type %u is none that is used", type);
    }
}

static void read_struct(struct reader *reader)
{
    unsigned last = 0;
    buf_append_char(reader->text, '{');
    for (unsigned type; (type = (unsigned)take(reader, 1)) != 0;) {
        const unsigned number = (unsigned)take(reader, 2);
        assert_true(number > last);
        buf_printf(reader->text, "%s%u:", last == 0 ? "" : " ", number);
        read_value(reader, type);
        last = number;
    }
    buf_append_char(reader->text, '}');
}

static void assert_batch(size_t span_count, const char *wanted)
{
    struct export_resource resource;
    struct span spans[2];
    struct buf out;
    struct buf text;
    buf_init(&out, 1 << 16);
    buf_init(&text, 1 << 16);
    rig_resource(&resource);
    rig_spans(spans);
    jaeger_encode(&resource, spans, span_count, &out);
    assert_false(out.is_failed);
    struct reader reader = {.at = (const unsigned char *)out.data, .text = &text};
    reader.end = reader.at + out.len;
    /* A Batch is not framed: what comes is the fields of a struct. */
    read_struct(&reader);
    assert_ptr_equal(reader.at, reader.end);
    buf_append_char(&text, '\0');
    assert_false(text.is_failed);
    assert_string_equal(text.data, wanted);
    buf_deinit(&out);
    buf_deinit(&text);
}

#define PROCESS "1:{1:'shop' 2:[{1:'service.name' 2:0 3:'shop'}{1:'host.name' 2:0 3:'h\xc3\xa9'}]}"

static void test_no_spans(void **state)
{
    (void)state;
    assert_batch(0, "{" PROCESS " 2:[]}");
}

/* The ids are the halves of the trace's id, the low one first; times are microseconds. */
static void test_spans(void **state)
{
    (void)state;
    assert_batch(2, "{" PROCESS " 2:["
                    "{1:651345242494996240 2:72623859790382856 3:-9223372036854775807 4:-1"
                    " 5:'GET /x' 7:1 8:1700000000000001 9:250001 10:["
                    "{1:'span.kind' 2:0 3:'server'}{1:'otel.scope.name' 2:0 3:'toq'}"
                    "{1:'error' 2:2 5:true}{1:'otel.status_code' 2:0 3:'ERROR'}"
                    "{1:'w3c.tracestate' 2:0 3:'a=1'}{1:'http.route' 2:0 3:'/x'}"
                    "{1:'http.response.status_code' 2:3 6:500}{1:'sampling.tail' 2:2 5:true}]}"
                    "{1:651345242494996240 2:72623859790382856 3:258 4:-9223372036854775807"
                    " 5:'' 7:1 8:1700000000100000 9:0 10:["
                    "{1:'span.kind' 2:0 3:'client'}{1:'otel.scope.name' 2:0 3:'toq'}"
                    "{1:'toq.delta' 2:3 6:-1}{1:'toq.read.shared' 2:2 5:false}]}]}");
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
    jaeger_encode(&resource, spans, 2, &out);
    assert_true(out.is_failed);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_spans),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_a_buffer_that_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
