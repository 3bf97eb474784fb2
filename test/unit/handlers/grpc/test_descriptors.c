/* SPDX-License-Identifier: MIT
 *
 * test_descriptors.c - files and symbols are found by their full names, in every scope, and
 * nothing else is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "handlers/grpc/descriptors.h"
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

typedef Google__Protobuf__FileDescriptorSet set_type;
typedef Google__Protobuf__DescriptorProto message_type;
typedef Google__Protobuf__FieldDescriptorProto field_type;
typedef Google__Protobuf__EnumDescriptorProto enum_type;
typedef Google__Protobuf__EnumValueDescriptorProto value_type;
typedef Google__Protobuf__ServiceDescriptorProto service_type;
typedef Google__Protobuf__MethodDescriptorProto method_type;
typedef Google__Protobuf__OneofDescriptorProto oneof_type;

static struct descriptors descriptors;

/* a/b.proto of package "a.b" has everything, plain.proto no package. */
static value_type value = GOOGLE__PROTOBUF__ENUM_VALUE_DESCRIPTOR_PROTO__INIT;
static value_type *values[] = {&value};
static enum_type colour = GOOGLE__PROTOBUF__ENUM_DESCRIPTOR_PROTO__INIT;
static enum_type *enums[] = {&colour};
static field_type field = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT;
static field_type *fields[] = {&field};
static oneof_type oneof = GOOGLE__PROTOBUF__ONEOF_DESCRIPTOR_PROTO__INIT;
static oneof_type *oneofs[] = {&oneof};
static message_type inner = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
static message_type *nested[] = {&inner};
static message_type outer = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
static message_type *messages[] = {&outer};
static method_type method = GOOGLE__PROTOBUF__METHOD_DESCRIPTOR_PROTO__INIT;
static method_type *methods[] = {&method};
static service_type service = GOOGLE__PROTOBUF__SERVICE_DESCRIPTOR_PROTO__INIT;
static service_type *services[] = {&service};
static field_type extensions[2] = {GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT,
                                   GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT};
static field_type *extension_list[] = {&extensions[0], &extensions[1]};
static descriptors_file whole = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
static descriptors_file plain = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
static descriptors_file *files[] = {&whole, &plain};

static void fill(void)
{
    value.name = (char *)"RED";
    colour.name = (char *)"Colour";
    colour.value = values;
    colour.n_value = 1;
    field.name = (char *)"field";
    oneof.name = (char *)"choice";
    inner.name = (char *)"Inner";
    inner.field = fields;
    inner.n_field = 1;
    inner.enum_type = enums;
    inner.n_enum_type = 1;
    outer.name = (char *)"Outer";
    outer.nested_type = nested;
    outer.n_nested_type = 1;
    outer.oneof_decl = oneofs;
    outer.n_oneof_decl = 1;
    method.name = (char *)"Get";
    service.name = (char *)"Service";
    service.method = methods;
    service.n_method = 1;
    for (int i = 0; i < 2; i++) {
        extensions[i].name = (char *)(i == 0 ? "first" : "second");
        extensions[i].extendee = (char *)(i == 0 ? ".a.b.Outer" : "a.b.Outer");
        extensions[i].number = 100 + i;
        extensions[i].has_number = true;
    }
    whole.name = (char *)"a/b.proto";
    whole.package = (char *)"a.b";
    whole.message_type = messages;
    whole.n_message_type = 1;
    whole.enum_type = enums;
    whole.n_enum_type = 1;
    whole.service = services;
    whole.n_service = 1;
    whole.extension = extension_list;
    whole.n_extension = 2;
    plain.name = (char *)"plain.proto";
    plain.message_type = nested;
    plain.n_message_type = 1;
}

static void add_set(void)
{
    fill();
    set_type set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    set.file = files;
    set.n_file = 2;
    const size_t len = google__protobuf__file_descriptor_set__get_packed_size(&set);
    unsigned char *bytes = malloc(len);
    assert_non_null(bytes);
    assert_int_equal(google__protobuf__file_descriptor_set__pack(&set, bytes), len);
    assert_int_equal(descriptors_add(&descriptors, bytes, len), 0);
    free(bytes);
}

static int set_up(void **state)
{
    (void)state;
    add_set();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    descriptors_deinit(&descriptors);
    return 0;
}

static void test_files(void **state)
{
    (void)state;
    size_t number = 9;
    assert_int_equal(descriptors_count(&descriptors), 2);
    assert_true(descriptors_find(&descriptors, STR("plain.proto"), &number));
    assert_int_equal(number, 1);
    assert_string_equal(descriptors_at(&descriptors, number)->name, "plain.proto");
    assert_false(descriptors_find(&descriptors, STR("plain"), &number));
    assert_false(descriptors_find(&descriptors, STR(""), &number));
}

static void test_files_of_several_sets(void **state)
{
    (void)state;
    size_t number;
    add_set();
    assert_int_equal(descriptors_count(&descriptors), 4);
    assert_string_equal(descriptors_at(&descriptors, 2)->name, "a/b.proto");
    assert_true(descriptors_find(&descriptors, STR("a/b.proto"), &number));
    assert_int_equal(number, 0);
}

static void test_symbols(void **state)
{
    (void)state;
    static const struct {
        struct str name;
        int file; /* -1: none has it */
    } rows[] = {
        {STR("a.b.Service"), 0},
        {STR("a.b.Service.Get"), 0},
        {STR("a.b.Outer"), 0},
        {STR("a.b.Outer.choice"), 0},
        {STR("a.b.Outer.Inner"), 0},
        {STR("a.b.Outer.Inner.field"), 0},
        {STR("a.b.Outer.Inner.Colour"), 0},
        {STR("a.b.Outer.Inner.RED"), 0}, /* a value's name is in the scope around its enum */
        {STR("a.b.Outer.Inner.Colour.RED"), 0},
        {STR("a.b.Colour"), 0},
        {STR("a.b.RED"), 0},
        {STR("a.b.first"), 0},
        {STR("Inner.field"), 1},
        {STR("Inner"), 1},
        {STR("a.b"), -1},
        {STR("a.b."), -1},
        {STR("a.bOuter"), -1},
        {STR("a.b/Outer"), -1}, /* a dot alone divides a name */
        {STR("a.b.Outer/Inner"), -1},
        {STR("Outer"), -1},
        {STR("a.b.Service.Gets"), -1},
        {STR("a.b.Service."), -1},
        {STR("a.b.Outer.Outer"), -1},
        {STR("a.b.field"), -1},
        {STR(".a.b.Outer"), -1},
        {STR(""), -1},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t number = 9;
        const bool is_found = descriptors_find_symbol(&descriptors, rows[i].name, &number);
        assert_int_equal(is_found ? (int)number : -1, rows[i].file);
    }
}

static void test_extensions(void **state)
{
    (void)state;
    size_t cursor = 0;
    size_t file = 9;
    int32_t tag = 0;
    assert_true(descriptors_next_extension(&descriptors, STR("a.b.Outer"), &cursor, &tag, &file));
    assert_int_equal(tag, 100);
    assert_int_equal(file, 0);
    assert_true(descriptors_next_extension(&descriptors, STR("a.b.Outer"), &cursor, &tag, &file));
    assert_int_equal(tag, 101);
    assert_false(descriptors_next_extension(&descriptors, STR("a.b.Outer"), &cursor, &tag, &file));
    cursor = 0;
    assert_false(descriptors_next_extension(&descriptors, STR("a.b.Inner"), &cursor, &tag, &file));
}

static void test_what_is_no_set(void **state)
{
    (void)state;
    assert_true(descriptors_add(&descriptors, (const unsigned char *)"\x0a\xff", 2) < 0);
    assert_int_equal(descriptors_count(&descriptors), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files_of_several_sets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_symbols, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_extensions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_set, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
