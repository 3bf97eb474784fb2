/* SPDX-License-Identifier: MIT
 *
 * descriptors.c - searches the files one by one for each question, since there are few of both.
 */
#include "handlers/grpc/descriptors.h"

#include "core/http/http.h"

typedef Google__Protobuf__DescriptorProto message_type;
typedef Google__Protobuf__EnumDescriptorProto enum_type;
typedef Google__Protobuf__FieldDescriptorProto field_type;

int descriptors_add(struct descriptors *descriptors, const unsigned char *set, size_t len)
{
    REQUIRE(descriptors->set_count < DESCRIPTORS_SETS_MAX);
    Google__Protobuf__FileDescriptorSet *unpacked =
        google__protobuf__file_descriptor_set__unpack(NULL, len, set);
    if (unpacked == NULL) {
        return UV_ENOMEM;
    }
    descriptors->sets[descriptors->set_count++] = unpacked;
    return 0;
}

void descriptors_deinit(struct descriptors *descriptors)
{
    for (size_t i = 0; i < descriptors->set_count; i++) {
        google__protobuf__file_descriptor_set__free_unpacked(descriptors->sets[i], NULL);
    }
    descriptors->set_count = 0;
}

size_t descriptors_count(const struct descriptors *descriptors)
{
    size_t count = 0;
    for (size_t i = 0; i < descriptors->set_count; i++) {
        count += descriptors->sets[i]->n_file;
    }
    return count;
}

const descriptors_file *descriptors_at(const struct descriptors *descriptors, size_t number)
{
    size_t i = 0;
    while (number >= descriptors->sets[i]->n_file) {
        number -= descriptors->sets[i++]->n_file;
    }
    return descriptors->sets[i]->file[number];
}

bool descriptors_find(const struct descriptors *descriptors, struct str name, size_t *ret_number)
{
    for (size_t i = 0; i < descriptors_count(descriptors); i++) {
        if (str_equal(str_from(descriptors_at(descriptors, i)->name), name)) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

/* --- symbols --- */

static bool is_name(const char *name, struct str wanted)
{
    return str_equal(str_from(name), wanted);
}

/* enter cuts "name." off the front of *path.
 *
 * Returns: whether it is there. */
static bool enter(const char *name, struct str *path)
{
    const struct str scope = str_from(name);
    if (path->len <= scope.len || path->ptr[scope.len] != '.' ||
        !str_equal((struct str){path->ptr, scope.len}, scope)) {
        return false;
    }
    *path = (struct str){path->ptr + scope.len + 1, path->len - scope.len - 1};
    return true;
}

/* has_enum looks through enums; their values are named in the scope around them, and, for those who
 * do not know that, inside them. */
static bool has_enum(enum_type *const *list, size_t count, struct str path)
{
    for (size_t i = 0; i < count; i++) {
        struct str inside = path;
        if (is_name(list[i]->name, path)) {
            return true;
        }
        (void)enter(list[i]->name, &inside);
        for (size_t j = 0; j < list[i]->n_value; j++) {
            if (is_name(list[i]->value[j]->name, inside)) {
                return true;
            }
        }
    }
    return false;
}

static bool has_field(field_type *const *list, size_t count, struct str path)
{
    for (size_t i = 0; i < count; i++) {
        if (is_name(list[i]->name, path)) {
            return true;
        }
    }
    return false;
}

static bool has_message(message_type *const *list, size_t count, struct str path);

static bool has_member(const message_type *message, struct str path)
{
    for (size_t i = 0; i < message->n_oneof_decl; i++) {
        if (is_name(message->oneof_decl[i]->name, path)) {
            return true;
        }
    }
    return has_field(message->field, message->n_field, path) ||
           has_field(message->extension, message->n_extension, path) ||
           has_enum(message->enum_type, message->n_enum_type, path) ||
           has_message(message->nested_type, message->n_nested_type, path);
}

/* has_message goes down one level for each part of the path, so the path bounds the depth. */
static bool has_message(message_type *const *list, size_t count, struct str path)
{
    for (size_t i = 0; i < count; i++) {
        struct str inside = path;
        if (is_name(list[i]->name, path) ||
            (enter(list[i]->name, &inside) && has_member(list[i], inside))) {
            return true;
        }
    }
    return false;
}

static bool has_service(const descriptors_file *file, struct str path)
{
    for (size_t i = 0; i < file->n_service; i++) {
        const Google__Protobuf__ServiceDescriptorProto *service = file->service[i];
        struct str inside = path;
        if (is_name(service->name, path)) {
            return true;
        }
        if (!enter(service->name, &inside)) {
            continue;
        }
        for (size_t j = 0; j < service->n_method; j++) {
            if (is_name(service->method[j]->name, inside)) {
                return true;
            }
        }
    }
    return false;
}

static bool has_symbol(const descriptors_file *file, struct str path)
{
    const bool has_package = file->package != NULL && file->package[0] != '\0';
    if (has_package && !enter(file->package, &path)) {
        return false;
    }
    return has_service(file, path) || has_message(file->message_type, file->n_message_type, path) ||
           has_enum(file->enum_type, file->n_enum_type, path) ||
           has_field(file->extension, file->n_extension, path);
}

bool descriptors_find_symbol(const struct descriptors *descriptors, struct str name,
                             size_t *ret_number)
{
    for (size_t i = 0; i < descriptors_count(descriptors); i++) {
        if (has_symbol(descriptors_at(descriptors, i), name)) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

/* --- extensions --- */

static bool is_extension_of(const field_type *field, struct str type)
{
    struct str extendee = str_from(field->extendee);
    if (extendee.len > 0 && extendee.ptr[0] == '.') {
        extendee = (struct str){extendee.ptr + 1, extendee.len - 1};
    }
    return str_equal(extendee, type);
}

bool descriptors_next_extension(const struct descriptors *descriptors, struct str type,
                                size_t *cursor, int32_t *ret_field, size_t *ret_number)
{
    size_t seen =
        0; /* extensions at the top of files; what nests them in a message is not looked for */
    for (size_t i = 0; i < descriptors_count(descriptors); i++) {
        const descriptors_file *file = descriptors_at(descriptors, i);
        for (size_t j = 0; j < file->n_extension; j++) {
            if (seen++ >= *cursor && is_extension_of(file->extension[j], type)) {
                *cursor = seen;
                *ret_field = file->extension[j]->number;
                *ret_number = i;
                return true;
            }
        }
    }
    return false;
}
