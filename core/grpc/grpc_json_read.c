/* SPDX-License-Identifier: MIT
 *
 * grpc_json_read.c - an object of JSON becomes a message, member by member; parameters of a path
 * and a query become its fields likewise.
 */
#include <stdio.h>

#include "core/base/utf8.h"
#include "core/grpc/grpc_json.h"
#include "core/grpc/grpc_json_scalar.h"
#include "core/grpc/grpc_json_time.h"

#define NO_INDEX   SIZE_MAX
#define NAME_BYTES 64 /* of a field, and shown of a name that is none */
#define FIRST_CAP  8  /* elements of a list's first memory */

/* A message that is being read, inside another one. */
struct object {
    const struct object *outer; /* NULL: it is the one that was asked for */
    ProtobufCMessage *message;
    uint8_t *given;
    const ProtobufCFieldDescriptor *field; /* that is being read */
    size_t index;                          /* of its element; NO_INDEX: it is no list */
};

/* --- faults --- */

static void put(struct grpc_json *in, size_t *len, struct str text)
{
    const size_t room = sizeof(in->wrong) - 1 - *len;
    const size_t count = text.len < room ? text.len : room;
    memcpy(in->wrong + *len, text.ptr, count);
    *len += count;
    in->wrong[*len] = '\0';
}

static void put_path(struct grpc_json *in, size_t *len, const struct object *object)
{
    if (object->outer != NULL) {
        put_path(in, len, object->outer);
        put(in, len, STR("."));
    }
    if (object->field != NULL) {
        put(in, len, str_from(object->field->name));
    }
    if (object->index != NO_INDEX) {
        char text[32];
        const int count = snprintf(text, sizeof(text), "[%zu]", object->index);
        put(in, len, (struct str){text, (size_t)count});
    }
}

/* put_what writes what is wrong, behind what it is wrong with.
 *
 * Returns: false. */
static bool put_what(struct grpc_json *in, size_t len, const char *what)
{
    put(in, &len, STR(": "));
    put(in, &len, str_from(what));
    return false;
}

static void put_name(struct grpc_json *in, size_t *len, struct str name)
{
    put(in, len, (struct str){name.ptr, name.len < NAME_BYTES ? name.len : NAME_BYTES});
}

/* refuse says what is wrong with the field that is being read. */
static bool refuse(struct grpc_json *in, const struct object *object, const char *what)
{
    size_t len = 0;
    put_path(in, &len, object);
    return put_what(in, len, what);
}

/* refuse_name says that a message has no field of a name. */
static bool refuse_name(struct grpc_json *in, struct object *object, struct str name)
{
    size_t len = 0;
    object->field = NULL;
    object->index = NO_INDEX;
    put_path(in, &len, object); /* with a dot behind it where it is not empty */
    put_name(in, &len, name);
    return put_what(in, len, "is not a field");
}

static bool refuse_json(struct grpc_json *in)
{
    (void)snprintf(in->wrong, sizeof(in->wrong), "the body is not JSON: %s, at byte %zu",
                   in->json.wrong, (size_t)(in->json.at - in->json.start));
    return false;
}

static bool find_no_memory(struct grpc_json *in)
{
    in->is_full = true;
    return false;
}

/* --- messages and their fields --- */

/* create makes an empty message with the bits of its fields behind it. */
static bool create(struct grpc_json *in, const ProtobufCMessageDescriptor *type,
                   struct object *object)
{
    const size_t given_bytes = type->n_fields / 8 + 1;
    char *memory = arena_alloc(in->arena, type->sizeof_message + given_bytes);
    if (memory == NULL) {
        return find_no_memory(in);
    }
    object->message = (ProtobufCMessage *)memory;
    object->given = (uint8_t *)memory + type->sizeof_message;
    object->field = NULL;
    object->index = NO_INDEX;
    protobuf_c_message_init(type, memory);
    memset(object->given, 0, given_bytes);
    return true;
}

/* is_camel tells whether a name is a field's in lowerCamelCase: "userId" of "user_id", "line2" of
 * "line_2". */
static bool is_camel(struct str name, const char *field)
{
    size_t at = 0;
    for (const char *c = field; *c != '\0'; c++) {
        const bool is_upper = c > field && c[-1] == '_' && *c >= 'a' && *c <= 'z';
        if (*c == '_') {
            continue;
        }
        if (at == name.len || name.ptr[at++] != (is_upper ? *c - 'a' + 'A' : *c)) {
            return false;
        }
    }
    return at == name.len;
}

const ProtobufCFieldDescriptor *grpc_json_find(const ProtobufCMessageDescriptor *type,
                                               struct str name)
{
    char text[NAME_BYTES];
    if (name.len >= sizeof(text) || (name.len > 0 && memchr(name.ptr, '\0', name.len) != NULL)) {
        return NULL;
    }
    *str_put(text, name) = '\0';
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(type, text);
    for (unsigned i = 0; field == NULL && i < type->n_fields; i++) {
        field = is_camel(name, type->fields[i].name) ? &type->fields[i] : NULL;
    }
    return field;
}

bool grpc_json_is_scalar(const ProtobufCFieldDescriptor *field)
{
    return field->label != PROTOBUF_C_LABEL_REPEATED &&
           (field->type != PROTOBUF_C_TYPE_MESSAGE || grpc_json_is_time(field->descriptor));
}

/* choose begins to read the field of a name, which may be given once. */
static bool choose(struct grpc_json *in, struct object *object, struct str name)
{
    const ProtobufCMessageDescriptor *type = object->message->descriptor;
    const ProtobufCFieldDescriptor *field = grpc_json_find(type, name);
    if (field == NULL) {
        return refuse_name(in, object, name);
    }
    const size_t number = (size_t)(field - type->fields);
    const uint8_t bit = (uint8_t)(1u << number % 8);
    object->field = field;
    if ((object->given[number / 8] & bit) != 0) {
        return refuse(in, object, "is given twice");
    }
    object->given[number / 8] |= bit;
    return true;
}

static void *place_at(const struct object *object, unsigned offset)
{
    return (char *)object->message + offset;
}

/* mark notes that a field is there, in whatever way it has for that.
 *
 * Returns: false when another field of its oneof is. */
static bool mark(struct grpc_json *in, const struct object *object)
{
    const ProtobufCFieldDescriptor *field = object->field;
    void *quantifier = place_at(object, field->quantifier_offset);
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *chosen = quantifier;
        if (*chosen != 0) {
            return refuse(in, object, "another field of its oneof is given");
        }
        *chosen = field->id;
    } else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
               field->type != PROTOBUF_C_TYPE_MESSAGE) {
        *(protobuf_c_boolean *)quantifier = true;
    }
    return true;
}

static bool set_scalar(struct grpc_json *in, const struct object *object,
                       const struct json_value *value, void *place)
{
    const char *wrong = NULL;
    if (grpc_json_scalar_set(in->arena, object->field, value, place, &wrong)) {
        return true;
    }
    return wrong == NULL ? find_no_memory(in) : refuse(in, object, wrong);
}

/* --- values --- */

static bool read_members(struct grpc_json *in, struct object *object);

/* read_json reads a value, a string without its escapes. */
static bool read_json(struct grpc_json *in, struct json_value *value)
{
    if (!json_read(&in->json, value)) {
        return refuse_json(in);
    }
    if (value->type == JSON_STRING && json_has_escapes(value->raw)) {
        char *out = arena_alloc(in->arena, value->raw.len);
        if (out == NULL) {
            return find_no_memory(in);
        }
        value->raw = (struct str){out, json_unescape(value->raw, out, value->raw.len)};
    }
    return true;
}

/* read_element reads a value that is not null, of a field or of an element of it. */
static bool read_element(struct grpc_json *in, const struct object *object,
                         const struct json_value *value, void *place)
{
    const ProtobufCFieldDescriptor *field = object->field;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return set_scalar(in, object, value, place);
    }
    struct object inner = {.outer = object};
    if (!create(in, field->descriptor, &inner)) {
        return false;
    }
    *(ProtobufCMessage **)place = inner.message;
    if (grpc_json_is_time(field->descriptor)) {
        return (value->type == JSON_STRING && grpc_json_time_read(value->raw, inner.message)) ||
               refuse(in, object, "must be a time, as 2026-12-01T15:04:05Z");
    }
    return value->type == JSON_OBJECT ? read_members(in, &inner)
                                      : refuse(in, object, "must be an object");
}

/* A list that grows. */
struct items {
    char *list;
    size_t count;
    size_t cap;
};

static bool grow(struct grpc_json *in, struct items *items, size_t item_bytes)
{
    const size_t cap = items->cap == 0 ? FIRST_CAP : 2 * items->cap;
    char *list = arena_alloc(in->arena, cap * item_bytes);
    if (list == NULL) {
        return find_no_memory(in);
    }
    if (items->count > 0) {
        const size_t used_bytes = items->count * item_bytes;
        memcpy(list, items->list, used_bytes);
        if (used_bytes > ARENA_BLOCK_BYTES) { /* looking for a smaller one would be in vain */
            arena_give_back(in->arena, items->list);
        }
    }
    items->list = list;
    items->cap = cap;
    return true;
}

static bool read_list(struct grpc_json *in, struct object *object)
{
    const ProtobufCFieldDescriptor *field = object->field;
    const size_t item_bytes = grpc_json_scalar_bytes(field->type);
    struct items items = {0};
    struct json_value value;
    while (json_next_item(&in->json)) {
        object->index = items.count;
        if (items.count == items.cap && !grow(in, &items, item_bytes)) {
            return false;
        }
        if (!read_json(in, &value)) {
            return false;
        }
        if (value.type == JSON_NULL) {
            return refuse(in, object, "must not be null");
        }
        if (!read_element(in, object, &value, items.list + items.count * item_bytes)) {
            return false;
        }
        items.count++;
    }
    object->index = NO_INDEX;
    *(size_t *)place_at(object, field->quantifier_offset) = items.count;
    *(void **)place_at(object, field->offset) = items.list;
    return in->json.wrong == NULL || refuse_json(in);
}

/* read_value reads the value of the field that was chosen; null leaves it as it is. */
static bool read_value(struct grpc_json *in, struct object *object)
{
    struct json_value value;
    if (!read_json(in, &value)) {
        return false;
    }
    if (value.type == JSON_NULL) {
        return true;
    }
    if (object->field->label == PROTOBUF_C_LABEL_REPEATED) {
        return value.type == JSON_ARRAY ? read_list(in, object)
                                        : refuse(in, object, "must be an array");
    }
    return mark(in, object) &&
           read_element(in, object, &value, place_at(object, object->field->offset));
}

static bool read_members(struct grpc_json *in, struct object *object)
{
    struct str raw;
    while (json_next_name(&in->json, &raw)) {
        char text[NAME_BYTES + 4]; /* no longer name is cut to one that may be a field's */
        struct str name = raw;
        if (json_has_escapes(raw)) {
            name = (struct str){text, json_unescape(raw, text, sizeof(text))};
        }
        if (!choose(in, object, name) || !read_value(in, object)) {
            return false;
        }
    }
    return in->json.wrong == NULL || refuse_json(in);
}

/* --- what a call needs --- */

bool grpc_json_refuse(struct grpc_json *in, struct str name, const char *what)
{
    size_t len = 0;
    put_name(in, &len, name);
    return put_what(in, len, what);
}

bool grpc_json_start(struct grpc_json *in, struct arena *arena,
                     const ProtobufCMessageDescriptor *type)
{
    struct object object = {0};
    in->arena = arena;
    in->wrong[0] = '\0';
    in->is_full = false;
    if (!create(in, type, &object)) {
        return false;
    }
    in->message = object.message;
    in->given = object.given;
    return true;
}

static struct object outermost(const struct grpc_json *in)
{
    return (struct object){.message = in->message, .given = in->given, .index = NO_INDEX};
}

bool grpc_json_set(struct grpc_json *in, struct str name, struct str text)
{
    size_t count;
    struct object object = outermost(in);
    if (!choose(in, &object, name)) {
        return false;
    }
    if (!grpc_json_is_scalar(object.field)) {
        return refuse(in, &object, "cannot be given by a parameter");
    }
    if (!utf8_count(text, &count)) {
        return refuse(in, &object, "must be a text in UTF-8");
    }
    const struct json_value value = grpc_json_scalar_of_text(object.field, text);
    return mark(in, &object) &&
           read_element(in, &object, &value, place_at(&object, object.field->offset));
}

bool grpc_json_read(struct grpc_json *in, struct str text)
{
    struct object object = outermost(in);
    struct json_value value;
    json_init(&in->json, text);
    if (!json_read(&in->json, &value)) {
        return refuse_json(in);
    }
    if (value.type != JSON_OBJECT) {
        (void)snprintf(in->wrong, sizeof(in->wrong), "the body is no JSON object");
        return false;
    }
    return read_members(in, &object) && (json_end(&in->json) || refuse_json(in));
}
