/* SPDX-License-Identifier: MIT
 *
 * test_grpc_json.c - messages from JSON and back: every kind of field, what each refuses, limits,
 * and memory that is missing.
 *
 * Tests: core/grpc/grpc_json_read.c, core/grpc/grpc_json_write.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "test/unit/support/failing_alloc.h"
#define realloc failing_realloc
#include "core/base/arena.c"
#include "core/base/quota.c"
#undef realloc

#include <math.h>
#include <stdio.h>

#include "core/grpc/grpc_json.h"
#include "toq/test/v1/kinds.pb-c.c"
#include "toq/v1/listings.pb-c.h"

typedef Toq__Test__V1__Kinds kinds;

static struct arena arena;
static struct grpc_json in;

static const kinds *message(void)
{
    return (const kinds *)in.message;
}

static bool start(const ProtobufCMessageDescriptor *type)
{
    arena_deinit(&arena);
    arena_init(&arena, 1 << 20);
    return grpc_json_start(&in, &arena, type);
}

/* read reads a text that ends where its memory does, so that a sanitizer sees a read beyond it. */
static bool read_as(const ProtobufCMessageDescriptor *type, const char *text)
{
    static char memory[8192];
    const size_t len = strlen(text);
    assert_true(len <= sizeof(memory));
    char *end = memory + sizeof(memory) - len;
    memcpy(end, text, len);
    assert_true(start(type));
    return grpc_json_read(&in, (struct str){end, len});
}

static bool read(const char *text)
{
    return read_as(&toq__test__v1__kinds__descriptor, text);
}

static void assert_refused(const char *text, const char *wrong)
{
    if (read(text)) {
        fail_msg("taken: %s", text);
    }
    assert_string_equal(in.wrong, wrong);
    assert_false(in.is_full);
}

/* assert_written compares what the message says with a part of it. */
static void assert_has(const char *part)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    grpc_json_write(&out, in.message);
    buf_append_char(&out, '\0');
    assert_false(out.is_failed);
    if (strstr(out.data, part) == NULL) {
        fail_msg("no %s in %s", part, out.data);
    }
    buf_deinit(&out);
}

/* assert_same: what is read is written likewise. */
static void assert_same(const char *member)
{
    char text[512];
    (void)snprintf(text, sizeof(text), "{%s}", member);
    if (!read(text)) {
        fail_msg("%s: %s", text, in.wrong);
    }
    assert_has(member);
}

/* --- the kinds --- */

static void test_each_kind_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char *const members[] = {
        "\"int32_value\":-2147483648",
        "\"int32_value\":2147483647",
        "\"int64_value\":\"-9223372036854775808\"",
        "\"int64_value\":\"9223372036854775807\"",
        "\"uint32_value\":4294967295",
        "\"uint64_value\":\"18446744073709551615\"",
        "\"sint32_value\":-1",
        "\"sint64_value\":\"-1\"",
        "\"fixed32_value\":7",
        "\"fixed64_value\":\"7\"",
        "\"sfixed32_value\":-7",
        "\"sfixed64_value\":\"-7\"",
        "\"float_value\":0.1",
        "\"float_value\":1e+20",
        "\"float_value\":3.4028235e+38",
        "\"double_value\":0.1",
        "\"double_value\":-2.5e-300",
        "\"double_value\":\"NaN\"",
        "\"double_value\":\"Infinity\"",
        "\"float_value\":\"-Infinity\"",
        "\"bool_value\":true",
        "\"string_value\":\"a\\\"\\u0001\xC3\xA3\"",
        "\"bytes_value\":\"AAEC/w==\"",
        "\"bytes_value\":\"AAEC/wA=\"",
        "\"bytes_value\":\"AAEC\"",
        "\"colour\":\"BLUE\"",
        "\"inner\":{\"name\":\"a\",\"number\":3}",
        "\"word\":\"w\"",
        "\"number\":\"5\"",
        "\"texts\":[\"\",\"b\"]",
        "\"numbers\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]",
        "\"longs\":[\"-1\"]",
        "\"inners\":[{\"name\":\"a\",\"number\":1},{\"name\":\"\",\"number\":0}]",
        "\"colours\":[\"RED\",\"GREY\"]",
        "\"pieces\":[\"\",\"AA==\"]",
        "\"flags\":[true,false]",
        "\"reals\":[1,1.5,\"NaN\"]",
        "\"texts\":[]",
        "\"time\":\"2026-12-01T15:04:05Z\"",
        "\"time\":\"2024-02-29T23:59:59.500Z\"",
        "\"time\":\"1969-12-31T23:59:59.000001Z\"",
        "\"time\":\"0001-01-01T00:00:00Z\"",
        "\"time\":\"9999-12-31T23:59:59.999999999Z\"",
    };
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        assert_same(members[i]);
    }
}

static void test_what_is_read_otherwise(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *part;
    } rows[] = {
        {"{\"int64_value\":5}", "\"int64_value\":\"5\""},
        {"{\"uint64_value\":18446744073709551615}", "\"uint64_value\":\"18446744073709551615\""},
        {"{\"int32_value\":\"-5\"}", "\"int32_value\":-5"},
        {"{\"int32_value\":1.5e3}", "\"int32_value\":1500"},
        {"{\"int32_value\":-2.0}", "\"int32_value\":-2"},
        {"{\"uint32_value\":-0}", "\"uint32_value\":0"},
        {"{\"double_value\":\"1.5\"}", "\"double_value\":1.5"},
        {"{\"double_value\":9007199254740993}", "\"double_value\":9007199254740992"},
        {"{\"bytes_value\":\"_w\"}", "\"bytes_value\":\"/w==\""},
        {"{\"bytes_value\":\"_w==\"}", "\"bytes_value\":\"/w==\""},
        {"{\"bytes_value\":\"_-8=\"}", "\"bytes_value\":\"/+8=\""},
        {"{\"bytes_value\":\"\\u0041A\\u003d=\"}", "\"bytes_value\":\"AA==\""},
        {"{\"int32_value\":\"\\u0035\"}", "\"int32_value\":5"},
        {"{\"double_value\":\"\\u004eaN\"}", "\"double_value\":\"NaN\""},
        {"{\"colour\":\"\\u0052ED\"}", "\"colour\":\"RED\""},
        {"{\"time\":\"2026\\u002d12-01T15:04:05Z\"}", "\"time\":\"2026-12-01T15:04:05Z\""},
        {"{\"double_value\":-0}", "\"double_value\":-0.0"},
        {"{\"float_value\":-1e-300}", "\"float_value\":-0.0"},
        {"{\"colour\":7}", "\"colour\":\"BLUE\""},
        {"{\"int32Value\":5}", "\"int32_value\":5"},
        {"{\"line2\":\"x\"}", "\"line_2\":\"x\""},
        {"{\"string\\u005fvalue\":\"x\"}", "\"string_value\":\"x\""},
        {"{\"inner\":null,\"texts\":null,\"word\":null,\"number\":1}", "\"number\":\"1\""},
        {"{\"time\":\"2026-12-01T15:04:05.5-03:00\"}", "\"time\":\"2026-12-01T18:04:05.500Z\""},
        {"{\"time\":\"2026-01-01T00:30:00+01:30\"}", "\"time\":\"2025-12-31T23:00:00Z\""},
        {" { } ", "\"int32_value\":0"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (!read(rows[i].text)) {
            fail_msg("%s: %s", rows[i].text, in.wrong);
        }
        assert_has(rows[i].part);
    }
}

static void test_what_each_kind_refuses(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"int32_value\":2147483648}",
         "int32_value: must be an integer from -2147483648 to 2147483647"},
        {"{\"int32_value\":-2147483649}",
         "int32_value: must be an integer from -2147483648 to 2147483647"},
        {"{\"sint32_value\":1.5}",
         "sint32_value: must be an integer from -2147483648 to 2147483647"},
        {"{\"sfixed32_value\":\"x\"}",
         "sfixed32_value: must be an integer from -2147483648 to 2147483647"},
        {"{\"int64_value\":9223372036854775808}", "int64_value: must be an integer of 64 bits"},
        {"{\"sint64_value\":-9223372036854775809}", "sint64_value: must be an integer of 64 bits"},
        {"{\"sfixed64_value\":1e300}", "sfixed64_value: must be an integer of 64 bits"},
        {"{\"uint32_value\":4294967296}", "uint32_value: must be an integer from 0 to 4294967295"},
        {"{\"uint32_value\":-1}", "uint32_value: must be an integer from 0 to 4294967295"},
        {"{\"fixed32_value\":true}", "fixed32_value: must be an integer from 0 to 4294967295"},
        {"{\"uint64_value\":18446744073709551616}",
         "uint64_value: must be an integer from 0 to 18446744073709551615"},
        {"{\"fixed64_value\":\"-1\"}",
         "fixed64_value: must be an integer from 0 to 18446744073709551615"},
        {"{\"fixed64_value\":\" 1\"}",
         "fixed64_value: must be an integer from 0 to 18446744073709551615"},
        {"{\"fixed64_value\":\"01\"}",
         "fixed64_value: must be an integer from 0 to 18446744073709551615"},
        {"{\"fixed64_value\":\"\"}",
         "fixed64_value: must be an integer from 0 to 18446744073709551615"},
        {"{\"float_value\":1e39}", "float_value: is too large a number"},
        {"{\"double_value\":1e309}", "double_value: is too large a number"},
        {"{\"double_value\":\"inf\"}", "double_value: must be a number"},
        {"{\"double_value\":\"0x1\"}", "double_value: must be a number"},
        {"{\"double_value\":false}", "double_value: must be a number"},
        {"{\"bool_value\":\"true\"}", "bool_value: must be true or false"},
        {"{\"bool_value\":1}", "bool_value: must be true or false"},
        {"{\"string_value\":1}", "string_value: must be a text"},
        {"{\"string_value\":[\"a\"]}", "string_value: must be a text"},
        {"{\"bytes_value\":\"A\"}", "bytes_value: must be base64"},
        {"{\"bytes_value\":\"A?==\"}", "bytes_value: must be base64"},
        {"{\"bytes_value\":\"====\"}", "bytes_value: must be base64"},
        {"{\"bytes_value\":\"_w=\"}", "bytes_value: must be base64"},
        {"{\"bytes_value\":\"_===\"}", "bytes_value: must be base64"},
        {"{\"colour\":\"GREEN\"}", "colour: must be a name of its enum"},
        {"{\"colour\":2}", "colour: must be a name of its enum"},
        {"{\"colour\":\"1\"}", "colour: must be a name of its enum"},
        {"{\"inner\":3}", "inner: must be an object"},
        {"{\"inner\":[]}", "inner: must be an object"},
        {"{\"texts\":\"a\"}", "texts: must be an array"},
        {"{\"texts\":{}}", "texts: must be an array"},
        {"{\"texts\":[\"a\",null]}", "texts[1]: must not be null"},
        {"{\"numbers\":[1,-1]}", "numbers[1]: must be an integer from 0 to 4294967295"},
        {"{\"inners\":[{},{\"again\":{\"numbers\":[0,\"x\"]}}]}",
         "inners[1].again.numbers[1]: must be an integer from 0 to 4294967295"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_refused(rows[i][0], rows[i][1]);
    }
}

static void test_what_is_no_time(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "2026-12-01",
                                        "2026-12-01T15:04:05",
                                        "2026-12-01t15:04:05Z",
                                        "2026-12-01T15:04:05z",
                                        "2026-12-01T15:04:05.Z",
                                        "2026-12-01T15:04:05.1234567891Z",
                                        "2026-12-01T15:04:05+03",
                                        "2026-12-01T15:04:05+24:00",
                                        "2026-12-01T15:04:05+03:60",
                                        "2026-12-01T15:04:05ZZ",
                                        "2026-02-30T15:04:05Z",
                                        "2026-13-01T15:04:05Z",
                                        "2026-12-01T24:00:00Z",
                                        "2026-12-01T15:04:60Z",
                                        "0000-12-31T23:59:59Z",
                                        "0001-01-01T00:00:00+00:01",
                                        "9999-12-31T23:59:59-00:01",
                                        "+026-12-01T15:04:05Z"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "{\"time\":\"%s\"}", texts[i]);
        assert_refused(text, "time: must be a time, as 2026-12-01T15:04:05Z");
    }
    assert_refused("{\"time\":{}}", "time: must be a time, as 2026-12-01T15:04:05Z");
}

static void test_names(void **state)
{
    (void)state;
    assert_refused("{\"nothing\":1}", "nothing: is not a field");
    assert_refused("{\"\":1}", ": is not a field");
    assert_refused("{\"inner\":{\"nothing\":1}}", "inner.nothing: is not a field");
    assert_refused("{\"inners\":[{\"nothing\":1}]}", "inners[0].nothing: is not a field");
    assert_refused("{\"INT32_VALUE\":1}", "INT32_VALUE: is not a field");
    assert_refused("{\"Int32Value\":1}", "Int32Value: is not a field");
    assert_refused("{\"int32Valu\":1}", "int32Valu: is not a field");
    assert_refused("{\"int32Values\":1}", "int32Values: is not a field");
    assert_refused("{\"int32_value\":1,\"int32_value\":1}", "int32_value: is given twice");
    assert_refused("{\"int32_value\":1,\"int32Value\":1}", "int32_value: is given twice");
    assert_refused("{\"texts\":[],\"texts\":[]}", "texts: is given twice");
    assert_refused("{\"inner\":null,\"inner\":{}}", "inner: is given twice");
    assert_refused("{\"word\":\"a\",\"number\":1}", "number: another field of its oneof is given");
    char text[512];
    char wrong[GRPC_JSON_WRONG_BYTES];
    (void)snprintf(text, sizeof(text), "{\"%0200d\":1}", 1);
    (void)snprintf(wrong, sizeof(wrong), "%064d: is not a field", 0);
    assert_refused(text, wrong);
}

static void test_what_is_no_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"{",
                                        "{\"int32_value\"",
                                        "{\"int32_value\":}",
                                        "{\"int32_value\":1",
                                        "{\"texts\":[",
                                        "{\"texts\":[\"a\"",
                                        "{\"texts\":[\"a\" \"b\"]}",
                                        "{}}",
                                        "{\"inner\":{\"name\":\"\\ud800\"}}",
                                        "{\"string_value\":\"\\u0000\"}",
                                        "{\"string_value\":\"\xFF\"}"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (read(texts[i])) {
            fail_msg("taken: %s", texts[i]);
        }
        assert_memory_equal(in.wrong, "the body is not JSON: ", 22);
    }
    assert_refused("[]", "the body is no JSON object");
    assert_refused("1", "the body is no JSON object");
    assert_refused("{\"inner\":{},}",
                   "the body is not JSON: a name in quotes is missing, at byte 12");
}

/* nest writes a message in a message, so many times over. */
static void nest(char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text = stpcpy(text, "{\"inner\":{\"again\":");
    }
    text = stpcpy(text, "{}");
    for (size_t i = 0; i < count; i++) {
        text = stpcpy(text, "}}");
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[64 * 20];
    nest(text, 31);
    assert_true(read(text)); /* 63 deep */
    assert_has("\"again\":{\"int32_value\":0");
    nest(text, 32);
    assert_false(read(text)); /* 65 */
    assert_non_null(strstr(in.wrong, "nested too deep"));
}

/* --- parameters --- */

static bool set(const char *name, struct str text)
{
    return grpc_json_set(&in, str_from(name), text);
}

static void test_parameters(void **state)
{
    (void)state;
    assert_true(start(&toq__test__v1__kinds__descriptor));
    assert_true(set("int32_value", STR("-5")));
    assert_true(set("uint64Value", STR("18446744073709551615")));
    assert_true(set("string_value", STR("\\n")));
    assert_true(set("word", STR("null")));
    assert_true(set("bool_value", STR("true")));
    assert_true(set("colour", STR("RED")));
    assert_true(set("bytes_value", STR("AAE=")));
    assert_true(set("double_value", STR("1e3")));
    assert_true(set("time", STR("2026-12-01T15:04:05Z")));
    assert_string_equal(message()->string_value, "\\n");
    assert_string_equal(message()->word, "null");
    assert_int_equal(message()->bytes_value.len, 2);
    assert_has("\"int32_value\":-5");
    assert_has("\"uint64_value\":\"18446744073709551615\"");
    assert_has("\"bool_value\":true");
    assert_has("\"colour\":\"RED\"");
    assert_has("\"time\":\"2026-12-01T15:04:05Z\"");
    assert_has("\"double_value\":1000");
    assert_false(set("number", STR("1")));
    assert_string_equal(in.wrong, "number: another field of its oneof is given");
    assert_false(set("int32_value", STR("5")));
    assert_string_equal(in.wrong, "int32_value: is given twice");
    assert_false(grpc_json_read(&in, STR("{\"int32_value\":5}")));
    assert_string_equal(in.wrong, "int32_value: is given twice");
}

static void test_what_no_parameter_gives(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct str text;
        const char *wrong;
    } rows[] = {
        {"nothing", STR("1"), "nothing: is not a field"},
        {"texts", STR("a"), "texts: cannot be given by a parameter"},
        {"inner", STR("{}"), "inner: cannot be given by a parameter"},
        {"uint32_value", STR(""), "uint32_value: must be an integer from 0 to 4294967295"},
        {"uint32_value", STR("1 "), "uint32_value: must be an integer from 0 to 4294967295"},
        {"uint32_value", STR("[1"), "uint32_value: must be an integer from 0 to 4294967295"},
        {"uint32_value", STR("\"1\""), "uint32_value: must be an integer from 0 to 4294967295"},
        {"bool_value", STR("1"), "bool_value: must be true or false"},
        {"bool_value", STR("null"), "bool_value: must be true or false"},
        {"colour", STR("red"), "colour: must be a name of its enum"},
        {"string_value", STR("\xFF"), "string_value: must be a text in UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_true(start(&toq__test__v1__kinds__descriptor));
        assert_false(set(rows[i].name, rows[i].text));
        assert_string_equal(in.wrong, rows[i].wrong);
    }
}

/* --- messages whose fields have presence, and whose texts are bytes --- */

static void test_presence(void **state)
{
    (void)state;
    static const char *const same[] = {"{}", "{\"title\":\"\"}",
                                       "{\"title\":\"a \xC3\xA3\",\"price_cents\":\"0\"}"};
    for (size_t i = 0; i < ARRAY_COUNT(same); i++) {
        struct buf out;
        buf_init(&out, 1024);
        assert_true(read_as(&toq__v1__listing__descriptor, same[i]));
        grpc_json_write(&out, in.message);
        buf_append_char(&out, '\0');
        assert_string_equal(out.data, same[i]);
        buf_deinit(&out);
    }
    const Toq__V1__Listing *listing = (const Toq__V1__Listing *)in.message;
    assert_true(listing->has_title && listing->has_price_cents && !listing->has_city);
    assert_int_equal(listing->title.len, 4);
    assert_false(read_as(&toq__v1__listing__descriptor, "{\"title\":5}"));
    assert_string_equal(in.wrong, "title: must be a text");
}

static void test_a_text_that_is_not_utf8_is_written_all_the_same(void **state)
{
    (void)state;
    Toq__V1__Listing listing = TOQ__V1__LISTING__INIT;
    listing.title = (ProtobufCBinaryData){2, (uint8_t *)(uintptr_t) "a\xFF"};
    listing.has_title = true;
    in.message = &listing.base;
    assert_has("{\"title\":\"a\xEF\xBF\xBD\"}");
}

static void test_an_enum_without_a_name_is_a_number(void **state)
{
    (void)state;
    kinds one = TOQ__TEST__V1__KINDS__INIT;
    one.colour = (Toq__Test__V1__Kinds__Colour)2;
    in.message = &one.base;
    assert_has("\"colour\":2");
}

/* --- memory --- */

static void test_without_memory(void **state)
{
    (void)state;
    static const char text[] =
        "{\"inners\":[{\"name\":\"a\"},{\"again\":{}},{\"again\":{}},{\"again\":{}},"
        "{\"again\":{}},{\"again\":{}},{\"again\":{}},{\"again\":{}},"
        "{\"again\":{}},{\"again\":{}},{\"again\":{}}],"
        "\"string_value\":\"b\\n\",\"bytes_value\":\"AAAA\"}";
    size_t granted = 0;
    bool is_read = false;
    for (; !is_read; granted++) {
        arena_deinit(&arena);
        arena_init(&arena, 1 << 20);
        allocations_left = granted;
        is_read = grpc_json_start(&in, &arena, &toq__test__v1__kinds__descriptor) &&
                  grpc_json_read(&in, STR(text));
        allocations_left = SIZE_MAX;
        assert_true(is_read || in.is_full);
    }
    assert_true(granted > 1);
    for (size_t max = 0; max < ARENA_BLOCK_BYTES; max += 64) {
        arena_deinit(&arena);
        arena_init(&arena, max);
        assert_false(grpc_json_start(&in, &arena, &toq__test__v1__kinds__descriptor) &&
                     grpc_json_read(&in, STR(text)));
        assert_true(in.is_full);
    }
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

#define TEST(function) cmocka_unit_test_teardown(function, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_kind_comes_back_as_it_was),
        TEST(test_what_is_read_otherwise),
        TEST(test_what_each_kind_refuses),
        TEST(test_what_is_no_time),
        TEST(test_names),
        TEST(test_what_is_no_json),
        TEST(test_depth),
        TEST(test_parameters),
        TEST(test_what_no_parameter_gives),
        TEST(test_presence),
        TEST(test_a_text_that_is_not_utf8_is_written_all_the_same),
        TEST(test_an_enum_without_a_name_is_a_number),
        TEST(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
