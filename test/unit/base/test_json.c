/* SPDX-License-Identifier: MIT
 *
 * test_json.c - what is JSON and what is not, and what its members hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "core/base/json.h"

/* read reads a document whole, from memory of its own size, so that a sanitizer sees what reads
 * behind it.
 *
 * Returns: how many members it has; -1 when it is no JSON, or no object. */
static int read(struct str text)
{
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    char *end = copy + 1;
    memcpy(end, text.ptr, text.len);
    struct json_reader reader;
    struct str name;
    struct json_value value;
    int count = 0;
    json_init(&reader, (struct str){end, text.len});
    bool is_json = json_enter(&reader);
    while (is_json && json_next(&reader, &name, &value)) {
        count++;
    }
    is_json = is_json && json_end(&reader);
    free(copy);
    return is_json ? count : -1;
}

/* read_value reads the value of the only member of a document. */
static struct json_value read_value(const char *text)
{
    struct json_reader reader;
    struct str name;
    struct json_value value;
    struct json_value none;
    json_init(&reader, str_from(text));
    assert_true(json_enter(&reader));
    assert_true(json_next(&reader, &name, &value));
    assert_false(json_next(&reader, &name, &none));
    assert_true(json_end(&reader));
    return value;
}

static void assert_text(const char *text, struct str expected)
{
    char out[64];
    const struct json_value value = read_value(text);
    assert_int_equal(value.type, JSON_STRING);
    assert_true(str_equal((struct str){out, json_unescape(value.raw, out, sizeof(out))}, expected));
}

static void test_documents(void **state)
{
    (void)state;
    assert_int_equal(read(STR("{}")), 0);
    assert_int_equal(read(STR(" \t\r\n{ } \n")), 0);
    assert_int_equal(read(STR("{\"a\":1}")), 1);
    assert_int_equal(read(STR("{ \"a\" : null , \"\" : [ ] , \"c\" : { } }")), 3);
    assert_int_equal(read(STR("{\"a\":[1,[2,{\"b\":[true,false]}],\"c\"],\"d\":{\"e\":{}}}")), 2);
}

static void test_what_is_no_document(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        " ",
                                        "null",
                                        "[]",
                                        "\"a\"",
                                        "1",
                                        "{",
                                        "}",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":1",
                                        "{\"a\":1,",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{\"a\" 1}",
                                        "{\"a\"::1}",
                                        "{\"a\":1 \"b\":2}",
                                        "{\"a\":1}{",
                                        "{\"a\":1},",
                                        "{\"a\":[1,]}",
                                        "{\"a\":[,1]}",
                                        "{\"a\":[1}",
                                        "{\"a\":[1 2]}",
                                        "{\"a\":{\"b\"}}",
                                        "{\"a\":nul}",
                                        "{\"a\":nulll}",
                                        "{\"a\":True}",
                                        "{\"a\":NaN}",
                                        "{\"a\":\"b}",
                                        "{\"a\":\"b\\\"}",
                                        "{\"a\":undefined}",
                                        "\xEF\xBB\xBF{}",
                                        "{1:2}",
                                        "{null:1}"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (read(str_from(texts[i])) >= 0) {
            fail_msg("taken: %s", texts[i]);
        }
    }
    assert_int_equal(read(STR("{\"a\":1}\0")), -1);
}

static void test_every_part_of_a_document_is_none(void **state)
{
    (void)state;
    const struct str whole =
        STR("{\"a\":[1.5e-3,\"\\ud83c\\udfe0\\n\"],\"b\":{\"c\":true},\"d\":-0}");
    assert_int_equal(read(whole), 3);
    for (size_t len = 0; len < whole.len; len++) {
        assert_int_equal(read((struct str){whole.ptr, len}), -1);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    assert_int_equal(read_value("{\"a\":0}").integer, 0);
    assert_int_equal(read_value("{\"a\":-0}").integer, 0);
    assert_int_equal(read_value("{\"a\":-12}").integer, -12);
    assert_true(read_value("{\"a\":9223372036854775807}").integer == INT64_MAX);
    assert_true(read_value("{\"a\":-9223372036854775808}").integer == INT64_MIN);
    assert_true(read_value("{\"a\":9223372036854775808}").integer == INT64_MAX);
    assert_true(read_value("{\"a\":-9223372036854775809}").integer == INT64_MIN);
    assert_true(read_value("{\"a\":99999999999999999999999999}").integer == INT64_MAX);
    assert_int_equal(read_value("{\"a\":1}").type, JSON_INTEGER);
    assert_int_equal(read_value("{\"a\":1.0}").type, JSON_REAL);
    assert_int_equal(read_value("{\"a\":1e3}").type, JSON_REAL);
    assert_int_equal(read_value("{\"a\":-1.5E+999}").type, JSON_REAL);
    static const char *const wrong[] = {"01",  "-",   "-a",  "+1",  "1.", ".5",  "1.e3", "1e",
                                        "1e+", "0x1", "--1", "1_0", "00", "-01", "1e1.5"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "{\"a\":%s}", wrong[i]);
        assert_int_equal(read(str_from(text)), -1);
    }
}

static void test_strings(void **state)
{
    (void)state;
    assert_text("{\"a\":\"\"}", STR(""));
    assert_text("{\"a\":\"b c\"}", STR("b c"));
    assert_text("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", STR("\"\\/\b\f\n\r\t"));
    assert_text("{\"a\":\"\\u0041\\u00e3\\u20AC\\ud83c\\udfe0\"}",
                STR("A\xC3\xA3\xE2\x82\xAC\xF0\x9F\x8F\xA0"));
    assert_text("{\"a\":\"\x7F\xF0\x9F\x8F\xA0\"}", STR("\x7F\xF0\x9F\x8F\xA0"));
    assert_false(json_has_escapes(read_value("{\"a\":\"b\"}").raw));
    assert_true(json_has_escapes(read_value("{\"a\":\"\\n\"}").raw));
    static const char *const wrong[] = {
        "\\x",          "\\",       "\\u",         "\\u12",          "\\u12g4",
        "\\ud800",      "\\ud800a", "\\ud800\\n",  "\\ud800\\ud800", "\\udc00",
        "\\u0000",      "\n",       "\x1F",        "\xFF",           "\xC0\x80",
        "\xED\xA0\x80", "\xC3",     "\\ud800\\u00"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "{\"a\":\"%s\"}", wrong[i]);
        if (read(str_from(text)) >= 0) {
            fail_msg("taken: %s", text);
        }
    }
    assert_int_equal(read(STR("{\"a\":\"b\0c\"}")), -1);
}

static void test_a_text_is_cut_between_characters(void **state)
{
    (void)state;
    char out[8];
    const struct str raw = STR("a\\u00e3\xF0\x9F\x8F\xA0");
    assert_int_equal(json_unescape(raw, out, 7), 7);
    assert_int_equal(json_unescape(raw, out, 6), 3);
    assert_int_equal(json_unescape(raw, out, 2), 1);
    assert_int_equal(json_unescape(raw, out, 0), 0);
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 16];
    for (size_t depth = JSON_DEPTH_MAX - 2; depth <= JSON_DEPTH_MAX + 1; depth++) {
        memcpy(text, "{\"a\":", 5);
        memset(text + 5, '[', depth);
        memset(text + 5 + depth, ']', depth);
        text[5 + 2 * depth] = '}';
        const int count = read((struct str){text, 6 + 2 * depth});
        assert_int_equal(count, depth < JSON_DEPTH_MAX ? 1 : -1);
    }
}

/* sum adds up the integers of a tree, and its members.
 *
 * Returns: whether the text is JSON. */
static bool sum(struct json_reader *reader, const struct json_value *value, int64_t *ret_sum)
{
    struct str name;
    struct json_value inner;
    *ret_sum += value->type == JSON_INTEGER ? value->integer : 0;
    if (value->type == JSON_OBJECT) {
        while (json_next_name(reader, &name)) {
            *ret_sum += 1000;
            if (!json_read(reader, &inner) || !sum(reader, &inner, ret_sum)) {
                return false;
            }
        }
    } else if (value->type == JSON_ARRAY) {
        while (json_next_item(reader)) {
            if (!json_read(reader, &inner) || !sum(reader, &inner, ret_sum)) {
                return false;
            }
        }
    }
    return reader->wrong == NULL;
}

static int64_t sum_of(const char *text)
{
    struct json_reader reader;
    struct json_value value;
    int64_t result = 0;
    json_init(&reader, str_from(text));
    const bool is_json =
        json_read(&reader, &value) && sum(&reader, &value, &result) && json_end(&reader);
    assert_int_equal(reader.wrong == NULL, is_json);
    return is_json ? result : -1;
}

static void test_trees(void **state)
{
    (void)state;
    assert_int_equal(sum_of(" 7 "), 7);
    assert_int_equal(sum_of("[]"), 0);
    assert_int_equal(sum_of("[1,[2,[],{}],{\"a\":[3],\"b\":4}, 5]"), 2015);
    assert_int_equal(sum_of("{\"a\":{\"b\":{\"c\":[1]}},\"d\":2}"), 4003);
    static const char *const wrong[] = {"",      "[",         "[1",         "[1,]", "[,1]",
                                        "[1 2]", "{\"a\":[}", "[{\"a\":1]", "[1]]", "{\"a\"}",
                                        "{}1",   "[1}",       "{\"a\":1]",  "{]",   "[}"};
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        if (sum_of(wrong[i]) >= 0) {
            fail_msg("taken: %s", wrong[i]);
        }
    }
    char text[2 * JSON_DEPTH_MAX + 3] = {0};
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_int_equal(sum_of(text), 0);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(sum_of(text), -1);
}

static void test_values_as_they_stand(void **state)
{
    (void)state;
    static const char *const texts[] = {"-12.5e+3", "18446744073709551615", "true", "null"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct json_reader reader;
        struct json_value value;
        json_init(&reader, str_from(texts[i]));
        assert_true(json_read(&reader, &value) && json_end(&reader));
        assert_true(str_equal(value.raw, str_from(texts[i])));
    }
}

static void test_an_error_says_where(void **state)
{
    (void)state;
    struct json_reader reader;
    struct str name;
    struct json_value value;
    json_init(&reader, STR("{\"a\":1,\"b\":tru}"));
    assert_true(json_enter(&reader));
    assert_true(json_next(&reader, &name, &value));
    assert_false(json_next(&reader, &name, &value));
    assert_false(json_next(&reader, &name, &value));
    assert_false(json_end(&reader));
    assert_string_equal(reader.wrong, "a word that is not true, false or null");
    assert_int_equal(reader.at - reader.start, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_what_is_no_document),
        cmocka_unit_test(test_every_part_of_a_document_is_none),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_a_text_is_cut_between_characters),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_values_as_they_stand),
        cmocka_unit_test(test_an_error_says_where),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
