/* SPDX-License-Identifier: MIT
 *
 * grpc_json_write.c - a message as an object of JSON, field by field in the order of their numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/base64.h"
#include "core/grpc/grpc_json.h"
#include "core/grpc/grpc_json_scalar.h"
#include "core/grpc/grpc_json_time.h"
#include "core/telemetry/number.h"

#define CHUNK_BYTES 48 /* of bytes that become base64 at a time, without padding in between */

static void write_signed(struct buf *out, int64_t value)
{
    char digits[21];
    buf_append(out, digits, str_format_i64(digits, value));
}

/* write_float writes the shortest text that reads back as the same float. */
static void write_float(struct buf *out, float value)
{
    char text[NUMBER_BYTES];
    for (int precision = 6; precision <= 9; precision++) {
        (void)snprintf(text, sizeof(text), "%.*g", precision, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
    buf_append_cstr(out, text);
}

static void write_real(struct buf *out, double value, bool is_float)
{
    char text[NUMBER_BYTES];
    if (!isfinite(value)) {
        buf_append_cstr(out, isnan(value) ? "\"NaN\""
                             : value > 0  ? "\"Infinity\""
                                          : "\"-Infinity\"");
    } else if (value == 0 && signbit(value)) {
        buf_append_cstr(out, "-0.0"); /* not "-0": some read that as an integer */
    } else if (is_float) {
        write_float(out, (float)value);
    } else {
        number_format(text, value);
        buf_append_cstr(out, text);
    }
}

static void write_bytes(struct buf *out, const ProtobufCBinaryData *bytes)
{
    char text[BASE64_ENCODED_BYTES(CHUNK_BYTES)];
    buf_append_char(out, '"');
    for (size_t at = 0; at < bytes->len; at += CHUNK_BYTES) {
        const size_t left = bytes->len - at;
        const struct str chunk = {(const char *)bytes->data + at,
                                  left < CHUNK_BYTES ? left : CHUNK_BYTES};
        buf_append(out, text, base64_encode(BASE64_STANDARD, chunk, text));
    }
    buf_append_cstr(out, bytes->len % 3 == 0 ? "\"" : bytes->len % 3 == 1 ? "==\"" : "=\"");
}

static void write_enum(struct buf *out, const ProtobufCEnumDescriptor *type, int32_t value)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    if (found == NULL) {
        write_signed(out, value);
    } else {
        buf_append_json(out, str_from(found->name));
    }
}

static void write_64(struct buf *out, bool is_signed, const void *place)
{
    buf_append_char(out, '"');
    if (is_signed) {
        write_signed(out, *(const int64_t *)place);
    } else {
        buf_append_u64(out, *(const uint64_t *)place);
    }
    buf_append_char(out, '"');
}

static void write_number(struct buf *out, ProtobufCType type, const void *place)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        write_signed(out, *(const int32_t *)place);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        buf_append_u64(out, *(const uint32_t *)place);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        write_real(out, (double)*(const float *)place, true);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        write_real(out, *(const double *)place, false);
        return;
    default:
        write_64(out, type != PROTOBUF_C_TYPE_UINT64 && type != PROTOBUF_C_TYPE_FIXED64, place);
    }
}

static void write_value(struct buf *out, const ProtobufCFieldDescriptor *field, const void *place)
{
    const ProtobufCBinaryData *bytes = place;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        buf_append_cstr(out, *(const protobuf_c_boolean *)place ? "true" : "false");
        return;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(out, field->descriptor, *(const int32_t *)place);
        return;
    case PROTOBUF_C_TYPE_STRING:
        buf_append_json(out, str_from(*(char *const *)place));
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        grpc_json_write(out, *(ProtobufCMessage *const *)place);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        if ((field->flags & GRPC_FIELD_IS_TEXT) != 0) {
            buf_append_json(out, (struct str){(const char *)bytes->data, bytes->len});
        } else {
            write_bytes(out, bytes);
        }
        return;
    default:
        write_number(out, field->type, place);
    }
}

static void write_list(struct buf *out, const ProtobufCFieldDescriptor *field, const char *list,
                       size_t count)
{
    const size_t item_bytes = grpc_json_scalar_bytes(field->type);
    buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_char(out, ',');
        }
        write_value(out, field, list + i * item_bytes);
    }
    buf_append_char(out, ']');
}

/* is_there tells whether a field that is no list is to be written. */
static bool is_there(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    const void *quantifier = base + field->quantifier_offset;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        return *(const uint32_t *)quantifier == field->id;
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return *(const void *const *)(base + field->offset) != NULL;
    }
    if (field->label != PROTOBUF_C_LABEL_OPTIONAL) {
        return true;
    }
    return field->type == PROTOBUF_C_TYPE_STRING
               ? *(const void *const *)(base + field->offset) != NULL
               : *(const protobuf_c_boolean *)quantifier != 0;
}

/* write_name writes a name, which needs no escapes, and a comma before all but the first. */
static void write_name(struct buf *out, const char *name, bool *is_first)
{
    buf_append_cstr(out, *is_first ? "\"" : ",\"");
    buf_append_cstr(out, name);
    buf_append_cstr(out, "\":");
    *is_first = false;
}

void grpc_json_write(struct buf *out, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    const char *base = (const char *)message;
    bool is_first = true;
    if (grpc_json_is_time(type)) {
        grpc_json_time_write(out, message);
        return;
    }
    buf_append_char(out, '{');
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            write_name(out, field->name, &is_first);
            write_list(out, field, *(const char *const *)(base + field->offset),
                       *(const size_t *)(base + field->quantifier_offset));
        } else if (is_there(message, field)) {
            write_name(out, field->name, &is_first);
            write_value(out, field, base + field->offset);
        }
    }
    buf_append_char(out, '}');
}
