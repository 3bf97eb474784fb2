/* SPDX-License-Identifier: MIT
 *
 * grpc_json_scalar.c - each type of a field takes some values of JSON, within its range.
 */
#include "core/grpc/grpc_json_scalar.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/base64.h"

#define REAL_BYTES  400              /* of a number with a fraction or an exponent */
#define INTEGER_MAX 9007199254740992 /* 2^53: up to here each integer is a double */

size_t grpc_json_scalar_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    default:
        return sizeof(uint32_t);
    }
}

static bool is_text(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_STRING || (field->flags & GRPC_FIELD_IS_TEXT) != 0;
}

/* read_alone reads a text that is one value of JSON, and no text or tree of it. */
static bool read_alone(struct str text, struct json_value *ret_value)
{
    struct json_reader json;
    struct json_value value;
    json_init(&json, text);
    if (!json_read(&json, &value) || value.type == JSON_STRING || value.type == JSON_OBJECT ||
        value.type == JSON_ARRAY || value.raw.len != text.len) {
        return false;
    }
    *ret_value = value;
    return true;
}

struct json_value grpc_json_scalar_of_text(const ProtobufCFieldDescriptor *field, struct str text)
{
    struct json_value value = {.type = JSON_STRING, .raw = text};
    const bool is_word = is_text(field) || field->type == PROTOBUF_C_TYPE_BYTES ||
                         field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (!is_word && read_alone(text, &value) && value.type == JSON_NULL) {
        value.type = JSON_STRING; /* nothing that a parameter says is null */
    }
    return value;
}

/* --- numbers --- */

/* number_of finds the number that a value is, or that a text has in quotes. */
static bool number_of(const struct json_value *value, struct json_value *ret_number)
{
    *ret_number = *value;
    return (value->type != JSON_STRING || read_alone(value->raw, ret_number)) &&
           (ret_number->type == JSON_INTEGER || ret_number->type == JSON_REAL);
}

/* read_real reads any number as a double: the nearest, or an infinity. */
static bool read_real(const struct json_value *number, double *ret_value)
{
    char text[REAL_BYTES];
    if (number->raw.len >= sizeof(text)) {
        return false;
    }
    *str_put(text, number->raw) = '\0';
    *ret_value = strtod(text, NULL);
    return true;
}

/* A whole number of 64 bits and a sign. */
struct whole {
    bool is_negative;
    uint64_t magnitude;
};

static bool read_whole(const struct json_value *value, struct whole *ret_whole)
{
    struct json_value number;
    double real;
    if (!number_of(value, &number)) {
        return false;
    }
    struct str digits = number.raw;
    ret_whole->is_negative = digits.ptr[0] == '-';
    if (number.type == JSON_INTEGER) {
        digits =
            (struct str){digits.ptr + ret_whole->is_negative, digits.len - ret_whole->is_negative};
        return str_parse_u64(digits, UINT64_MAX, &ret_whole->magnitude);
    }
    if (!read_real(&number, &real) || !(fabs(real) <= INTEGER_MAX) || trunc(real) != real) {
        return false;
    }
    ret_whole->magnitude = (uint64_t)fabs(real);
    return true;
}

/* take_signed stores a number from -max - 1 to max. */
static bool take_signed(const struct json_value *value, uint64_t max, int64_t *ret_number)
{
    struct whole whole;
    if (!read_whole(value, &whole) || whole.magnitude > max + whole.is_negative) {
        return false;
    }
    *ret_number = (int64_t)(whole.is_negative ? 0 - whole.magnitude : whole.magnitude);
    return true;
}

static bool take_unsigned(const struct json_value *value, uint64_t max, uint64_t *ret_number)
{
    struct whole whole;
    if (!read_whole(value, &whole) || whole.magnitude > max ||
        (whole.is_negative && whole.magnitude > 0)) {
        return false;
    }
    *ret_number = whole.magnitude;
    return true;
}

static const char *set_signed(const struct json_value *value, uint64_t max, void *place)
{
    int64_t number;
    if (!take_signed(value, max, &number)) {
        return max == INT32_MAX ? "must be an integer from -2147483648 to 2147483647"
                                : "must be an integer of 64 bits";
    }
    if (max == INT32_MAX) {
        *(int32_t *)place = (int32_t)number;
    } else {
        *(int64_t *)place = number;
    }
    return NULL;
}

static const char *set_unsigned(const struct json_value *value, uint64_t max, void *place)
{
    uint64_t number;
    if (!take_unsigned(value, max, &number)) {
        return max == UINT32_MAX ? "must be an integer from 0 to 4294967295"
                                 : "must be an integer from 0 to 18446744073709551615";
    }
    if (max == UINT32_MAX) {
        *(uint32_t *)place = (uint32_t)number;
    } else {
        *(uint64_t *)place = number;
    }
    return NULL;
}

/* take_special reads the numbers that JSON does not have. */
static bool take_special(const struct json_value *value, double *ret_value)
{
    const bool is_negative = str_equal(value->raw, STR("-Infinity"));
    if (value->type != JSON_STRING) {
        return false;
    }
    *ret_value = str_equal(value->raw, STR("NaN")) ? (double)NAN
                 : is_negative                     ? -(double)INFINITY
                                                   : (double)INFINITY;
    return isnan(*ret_value) || is_negative || str_equal(value->raw, STR("Infinity"));
}

static const char *set_real(const struct json_value *value, bool is_float, void *place)
{
    struct json_value number;
    double real;
    const bool is_special = take_special(value, &real);
    if (!is_special && (!number_of(value, &number) || !read_real(&number, &real))) {
        return "must be a number";
    }
    if (!is_special && (!isfinite(real) || (is_float && !isfinite((float)real)))) {
        return "is too large a number";
    }
    if (is_float) {
        *(float *)place = (float)real;
    } else {
        *(double *)place = real;
    }
    return NULL;
}

/* --- words --- */

static const char *set_bool(const struct json_value *value, void *place)
{
    if (value->type != JSON_BOOL) {
        return "must be true or false";
    }
    *(protobuf_c_boolean *)place = value->raw.ptr[0] == 't';
    return NULL;
}

/* find_enum finds a value by its name, or by its number. */
static const ProtobufCEnumValue *find_enum(const ProtobufCEnumDescriptor *type,
                                           const struct json_value *value)
{
    int64_t number;
    for (unsigned i = 0; value->type == JSON_STRING && i < type->n_values; i++) {
        if (str_equal(value->raw, str_from(type->values[i].name))) {
            return &type->values[i];
        }
    }
    return value->type == JSON_STRING || !take_signed(value, INT32_MAX, &number)
               ? NULL
               : protobuf_c_enum_descriptor_get_value(type, (int)number);
}

static const char *set_enum(const ProtobufCEnumDescriptor *type, const struct json_value *value,
                            void *place)
{
    const ProtobufCEnumValue *found = find_enum(type, value);
    if (found == NULL) {
        return "must be a name of its enum";
    }
    *(int32_t *)place = found->value;
    return NULL;
}

/* --- texts --- */

static bool set_text(struct arena *arena, ProtobufCType type, struct str text, void *place)
{
    if (type == PROTOBUF_C_TYPE_BYTES) {
        *(ProtobufCBinaryData *)place =
            (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.ptr};
        return true;
    }
    struct str copy;
    const bool is_copied = arena_copy(arena, text, &copy);
    *(char **)place = is_copied ? (char *)(uintptr_t)copy.ptr : NULL;
    return is_copied;
}

/* is_base64 finds the form of a text; of BASE64_URL, which has no padding, it takes that off. */
static bool is_base64(struct str *text, enum base64_form *ret_form)
{
    *ret_form = BASE64_STANDARD;
    if (base64_is_valid(BASE64_STANDARD, *text)) {
        return true;
    }
    *ret_form = BASE64_URL;
    if (text->len > 0 && text->len % 4 == 0) {
        for (int i = 0; i < 2 && text->ptr[text->len - 1] == '='; i++) {
            text->len--;
        }
    }
    return base64_is_valid(BASE64_URL, *text);
}

static bool set_bytes(struct arena *arena, struct str text, void *place, const char **ret_wrong)
{
    enum base64_form form;
    size_t len;
    if (!is_base64(&text, &form)) {
        *ret_wrong = "must be base64";
        return false;
    }
    uint8_t *bytes = arena_alloc(arena, BASE64_DECODED_BYTES(text.len));
    if (bytes == NULL || !base64_decode(form, text, bytes, &len)) {
        return false;
    }
    *(ProtobufCBinaryData *)place = (ProtobufCBinaryData){len, bytes};
    return true;
}

/* --- any --- */

static const char *set_plain(const ProtobufCFieldDescriptor *field, const struct json_value *value,
                             void *place)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return set_signed(value, INT32_MAX, place);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return set_signed(value, INT64_MAX, place);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return set_unsigned(value, UINT32_MAX, place);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return set_unsigned(value, UINT64_MAX, place);
    case PROTOBUF_C_TYPE_FLOAT:
        return set_real(value, true, place);
    case PROTOBUF_C_TYPE_DOUBLE:
        return set_real(value, false, place);
    case PROTOBUF_C_TYPE_BOOL:
        return set_bool(value, place);
    default:
        return set_enum(field->descriptor, value, place);
    }
}

bool grpc_json_scalar_set(struct arena *arena, const ProtobufCFieldDescriptor *field,
                          const struct json_value *value, void *place, const char **ret_wrong)
{
    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_BYTES) {
        const char *wrong = set_plain(field, value, place);
        *ret_wrong = wrong == NULL ? *ret_wrong : wrong;
        return wrong == NULL;
    }
    if (value->type != JSON_STRING) {
        *ret_wrong = "must be a text";
        return false;
    }
    return is_text(field) ? set_text(arena, field->type, value->raw, place)
                          : set_bytes(arena, value->raw, place, ret_wrong);
}
