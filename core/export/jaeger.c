/* SPDX-License-Identifier: MIT
 *
 * jaeger.c - spans as jaeger.thrift's Batch: each field its type, its number and its value, numbers
 * big-endian, and a zero byte behind the last.
 */
#include <endian.h>

#include "core/export/export.h"

enum thrift_type {
    THRIFT_BOOL = 2,
    THRIFT_I32 = 8,
    THRIFT_I64 = 10,
    THRIFT_STRING = 11,
    THRIFT_STRUCT = 12,
    THRIFT_LIST = 15
};

/* Tag.vType. */
enum tag_type { TAG_STRING = 0, TAG_BOOL = 2, TAG_LONG = 3 };

#define FLAG_SAMPLED 1

static void put_field(struct buf *out, enum thrift_type type, uint16_t number)
{
    const uint16_t big = htobe16(number);
    buf_append_char(out, (char)type);
    buf_append(out, &big, sizeof(big));
}

static void put_end(struct buf *out)
{
    buf_append_char(out, 0);
}

static void put_u32(struct buf *out, uint32_t value)
{
    const uint32_t big = htobe32(value);
    buf_append(out, &big, sizeof(big));
}

static void put_i32_field(struct buf *out, uint16_t number, uint32_t value)
{
    put_field(out, THRIFT_I32, number);
    put_u32(out, value);
}

static void put_i64_field(struct buf *out, uint16_t number, uint64_t value)
{
    const uint64_t big = htobe64(value);
    put_field(out, THRIFT_I64, number);
    buf_append(out, &big, sizeof(big));
}

static void put_text_field(struct buf *out, uint16_t number, const char *text)
{
    put_field(out, THRIFT_STRING, number);
    put_u32(out, (uint32_t)strlen(text));
    buf_append_cstr(out, text);
}

static void put_list_field(struct buf *out, uint16_t number, size_t count)
{
    put_field(out, THRIFT_LIST, number);
    buf_append_char(out, THRIFT_STRUCT);
    put_u32(out, (uint32_t)count);
}

/* --- tags --- */

static void put_text_tag(struct buf *out, const char *key, const char *text)
{
    put_text_field(out, 1, key);
    put_i32_field(out, 2, TAG_STRING);
    put_text_field(out, 3, text);
    put_end(out);
}

static void put_flag_tag(struct buf *out, const char *key, bool is_on)
{
    put_text_field(out, 1, key);
    put_i32_field(out, 2, TAG_BOOL);
    put_field(out, THRIFT_BOOL, 5);
    buf_append_char(out, is_on ? 1 : 0);
    put_end(out);
}

static void put_number_tag(struct buf *out, const char *key, int64_t number)
{
    put_text_field(out, 1, key);
    put_i32_field(out, 2, TAG_LONG);
    put_i64_field(out, 6, (uint64_t)number);
    put_end(out);
}

static void put_attr(struct buf *out, const struct span_attr *attr)
{
    if (attr->kind == SPAN_TEXT) {
        put_text_tag(out, attr->key, attr->text);
    } else if (attr->kind == SPAN_FLAG) {
        put_flag_tag(out, attr->key, attr->number != 0);
    } else {
        put_number_tag(out, attr->key, attr->number);
    }
}

static void put_tags(const struct span *span, struct buf *out)
{
    static const char *const kinds[] = {
        [SPAN_INTERNAL] = "internal", [SPAN_SERVER] = "server", [SPAN_CLIENT] = "client"};
    const bool has_state = span->tracestate[0] != '\0';
    put_list_field(out, 10, span->attr_count + 2 + (span->is_error ? 2 : 0) + (has_state ? 1 : 0));
    put_text_tag(out, "span.kind", kinds[span->kind]);
    put_text_tag(out, "otel.scope.name", "toq");
    if (span->is_error) {
        put_flag_tag(out, "error", true);
        put_text_tag(out, "otel.status_code", "ERROR");
    }
    if (has_state) {
        put_text_tag(out, "w3c.tracestate", span->tracestate);
    }
    for (size_t i = 0; i < span->attr_count; i++) {
        put_attr(out, &span->attrs[i]);
    }
}

/* --- spans --- */

/* id_of reads eight bytes of an id as Jaeger numbers them. */
static uint64_t id_of(const uint8_t *bytes)
{
    uint64_t big;
    memcpy(&big, bytes, sizeof(big));
    return be64toh(big);
}

static void put_span(const struct span *span, struct buf *out)
{
    put_i64_field(out, 1, id_of(span->trace_id + 8));
    put_i64_field(out, 2, id_of(span->trace_id));
    put_i64_field(out, 3, id_of(span->span_id));
    put_i64_field(out, 4, span->has_parent ? id_of(span->parent_id) : 0);
    put_text_field(out, 5, span->name);
    put_i32_field(out, 7, FLAG_SAMPLED); /* what is not sampled is not sent, but for a reason */
    put_i64_field(out, 8, span->start_ns / 1000);
    put_i64_field(out, 9, (span->end_ns - span->start_ns) / 1000);
    put_tags(span, out);
    put_end(out);
}

void jaeger_encode(const struct export_resource *resource, const struct span *spans, size_t count,
                   struct buf *out)
{
    put_field(out, THRIFT_STRUCT, 1);
    put_text_field(out, 1, resource->service_name);
    put_list_field(out, 2, resource->attr_count);
    for (size_t i = 0; i < resource->attr_count; i++) {
        put_text_tag(out, resource->attrs[i].key, resource->attrs[i].text);
    }
    put_end(out);
    put_list_field(out, 2, count);
    for (size_t i = 0; i < count; i++) {
        put_span(&spans[i], out);
    }
    put_end(out);
}
