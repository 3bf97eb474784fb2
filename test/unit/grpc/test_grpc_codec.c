/* SPDX-License-Identifier: MIT
 *
 * test_grpc_codec.c - content types, timeouts, metadata, base64, percent-encoding; and no memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/grpc/grpc_codec.h"
#include "test/unit/support/arena_rig.h"

static void assert_str(struct str s, const char *expected)
{
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr, expected, s.len);
}

static void test_content_types(void **state)
{
    (void)state;
    assert_true(grpc_is_content_type(STR("application/grpc")));
    assert_true(grpc_is_content_type(STR("Application/GRPC+proto")));
    assert_true(grpc_is_content_type(STR("application/grpc;x")));
    assert_false(grpc_is_content_type(STR("application/grpcs")));
    assert_false(grpc_is_content_type(STR("application/grp")));
    assert_false(grpc_is_content_type((struct str){NULL, 0}));
}

static void test_timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } rows[] = {
        {"0n", 0},
        {"1H", 3600 * NS_PER_S},
        {"2M", 120 * NS_PER_S},
        {"3S", 3 * NS_PER_S},
        {"4m", 4 * NS_PER_MS},
        {"5u", 5000},
        {"00000006n", 6},
        {"99999999H", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        uint64_t ns;
        assert_true(grpc_parse_timeout(str_from(rows[i].text), &ns));
        assert_true(ns == rows[i].ns);
    }
    static const char *const bad[] = {"", "1", "n", "123456789n", "+1n", " 1n", "1s", "1nn"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        uint64_t ns;
        assert_false(grpc_parse_timeout(str_from(bad[i]), &ns));
    }
}

static void test_tokens(void **state)
{
    (void)state;
    assert_true(grpc_has_token(STR("identity, gzip"), STR("gzip")));
    assert_true(grpc_has_token(STR("GZip"), STR("gzip")));
    assert_false(grpc_has_token(STR("gzipx,identity"), STR("gzip")));
    assert_false(grpc_has_token((struct str){NULL, 0}, STR("gzip")));
}

static void test_names_and_values(void **state)
{
    (void)state;
    static const char *const taken[] = {"",    "grpc-status", "content-type", "te",  "X-Upper",
                                        "a b", ":path",       "connection",   "date"};
    for (size_t i = 0; i < ARRAY_COUNT(taken); i++) {
        assert_false(grpc_is_free_name(str_from(taken[i])));
    }
    assert_true(grpc_is_free_name(STR("x-a_b.c-0-bin")));
    assert_true(grpc_is_binary_name(STR("a-bin")));
    assert_false(grpc_is_binary_name(STR("-bin")));
    assert_true(grpc_is_ascii_value(STR(" ~")));
    assert_false(grpc_is_ascii_value(STR("a\n")));
    assert_false(grpc_is_ascii_value(STR("\xC3\xA4")));
}

static void test_base64(void **state)
{
    (void)state;
    struct str encoded;
    struct str decoded;
    assert_true(grpc_base64_encode(&arena, STR("foob"), &encoded));
    assert_str(encoded, "Zm9vYg");
    static const char *const good[] = {"Zm9vYg", "Zm9vYg==", " Zm9vYg\t", "Zm9vYh"};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        assert_true(grpc_base64_is_valid(str_from(good[i])));
        assert_true(grpc_base64_decode(&arena, str_from(good[i]), &decoded));
        assert_str(decoded, "foob");
    }
    static const char *const bad[] = {"A", "AAAAA", "A===", "=", "AA=A", "A-__", "AA AA", "AA,A"};
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_false(grpc_base64_is_valid(str_from(bad[i])));
        assert_false(grpc_base64_decode(&arena, str_from(bad[i]), &decoded));
    }
    assert_true(grpc_base64_is_valid(STR("AA==, AAAA,,")));
}

static void test_messages(void **state)
{
    (void)state;
    struct str value;
    const struct str plain = STR("plain ~ text");
    assert_true(grpc_encode_message(&arena, plain, &value));
    assert_ptr_equal(value.ptr, plain.ptr);
    assert_true(grpc_encode_message(&arena, STR("100%\t\xE2\x98\xBA\x7F"), &value));
    assert_str(value, "100%25%09%E2%98%BA%7F");
    assert_true(grpc_encode_message(&arena,
                                    STR("\xFF"
                                        "a\xC3"),
                                    &value));
    assert_str(value, "%EF%BF%BDa%EF%BF%BD");
}

static void test_without_memory(void **state)
{
    (void)state;
    struct arena none;
    struct str out;
    arena_init(&none, 0);
    assert_false(grpc_base64_encode(&none, STR("x"), &out));
    assert_false(grpc_base64_decode(&none, STR("AA"), &out));
    assert_false(grpc_encode_message(&none, STR("\n"), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_types),  cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_tokens),         cmocka_unit_test(test_names_and_values),
        cmocka_unit_test(test_base64),         cmocka_unit_test(test_messages),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, set_up_arena, tear_down_arena);
}
