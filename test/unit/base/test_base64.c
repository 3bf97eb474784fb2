/* SPDX-License-Identifier: MIT
 *
 * test_base64.c - the vectors of RFC 4648, every length, every byte in every place, every ending;
 * and the room that is written to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four first */
#include <cmocka.h>

#include "core/base/base64.h"

#define GUARD 0x5A

static const enum base64_form forms[] = {BASE64_STANDARD, BASE64_URL};

/* decodes decodes into room of exactly the size that is asked for, and compares. */
static bool decodes(enum base64_form form, struct str text, struct str expected)
{
    const size_t room = BASE64_DECODED_BYTES(text.len);
    unsigned char *out = malloc(room + 1);
    size_t len = SIZE_MAX;
    assert_non_null(out);
    memset(out, GUARD, room + 1);
    const bool is_taken = base64_decode(form, text, out, &len);
    assert_int_equal(is_taken, base64_is_valid(form, text));
    if (is_taken) {
        assert_true(len <= room);
        assert_true(str_equal((struct str){(const char *)out, len}, expected));
    } else {
        assert_true(len == SIZE_MAX);
        len = 0;
    }
    for (size_t i = len; i <= room; i++) {
        assert_int_equal(out[i], GUARD);
    }
    free(out);
    return is_taken;
}

static bool is_refused(enum base64_form form, struct str text)
{
    return !decodes(form, text, STR(""));
}

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        struct str padded;
        size_t len; /* without padding */
    } rows[] = {
        {STR(""), STR(""), 0},
        {STR("f"), STR("Zg=="), 2},
        {STR("fo"), STR("Zm8="), 3},
        {STR("foo"), STR("Zm9v"), 4},
        {STR("foob"), STR("Zm9vYg=="), 6},
        {STR("fooba"), STR("Zm9vYmE="), 7},
        {STR("foobar"), STR("Zm9vYmFy"), 8},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct str plain = {rows[i].padded.ptr, rows[i].len};
        for (size_t f = 0; f < ARRAY_COUNT(forms); f++) {
            char out[16];
            const size_t len = base64_encode(forms[f], rows[i].bytes, out);
            assert_true(str_equal((struct str){out, len}, plain));
            assert_true(decodes(forms[f], plain, rows[i].bytes));
        }
        assert_true(decodes(BASE64_STANDARD, rows[i].padded, rows[i].bytes));
        assert_int_equal(decodes(BASE64_URL, rows[i].padded, rows[i].bytes),
                         rows[i].padded.len == plain.len);
    }
}

static void test_the_two_alphabets(void **state)
{
    (void)state;
    const struct str bytes = STR("\xFB\xEF\xFF");
    char out[4];
    assert_int_equal(base64_encode(BASE64_STANDARD, bytes, out), 4);
    assert_memory_equal(out, "++//", 4);
    assert_int_equal(base64_encode(BASE64_URL, bytes, out), 4);
    assert_memory_equal(out, "--__", 4);
    assert_true(decodes(BASE64_STANDARD, STR("++//"), bytes));
    assert_true(decodes(BASE64_URL, STR("--__"), bytes));
    assert_true(is_refused(BASE64_STANDARD, STR("--__")));
    assert_true(is_refused(BASE64_URL, STR("++//")));
}

static void test_every_length(void **state)
{
    (void)state;
    char bytes[256];
    char text[BASE64_ENCODED_BYTES(sizeof(bytes)) + 1];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)i;
    }
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        for (size_t f = 0; f < ARRAY_COUNT(forms); f++) {
            const size_t expected = BASE64_ENCODED_BYTES(len);
            text[expected] = GUARD;
            assert_int_equal(base64_encode(forms[f], (struct str){bytes, len}, text), expected);
            assert_int_equal(text[expected], GUARD);
            assert_int_equal(BASE64_DECODED_BYTES(expected), len);
            assert_true(decodes(forms[f], (struct str){text, expected}, (struct str){bytes, len}));
        }
    }
}

static void test_every_byte_in_every_place(void **state)
{
    (void)state;
    static const char both[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (int c = 0; c < 256; c++) {
        const bool is_of_both = c != 0 && strchr(both, c) != NULL;
        for (size_t place = 0; place < 8; place++) {
            char text[] = "AAAAAAAA";
            text[place] = (char)c;
            assert_int_equal(base64_is_valid(BASE64_STANDARD, (struct str){text, 8}),
                             is_of_both || c == '+' || c == '/' || (c == '=' && place == 7));
            assert_int_equal(base64_is_valid(BASE64_URL, (struct str){text, 8}),
                             is_of_both || c == '-' || c == '_');
        }
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct str texts[] = {
        STR("A"),    STR("AAAAA"),  STR("="),     STR("=="),     STR("===="),       STR("A==="),
        STR("A="),   STR("AA="),    STR("AAA=="), STR("AAAA="),  STR("AAAA===="),   STR("AA==AAAA"),
        STR("AA=A"), STR("AA== "),  STR(" AAAA"), STR("AA AA"),  STR("AAAA\n"),     STR("AA\r\nAA"),
        STR("AA,A"), STR("AAAA\0"), STR("A%3D"),  STR("AA==\0"), STR("\xC3\x84xx"), STR("AA==="),
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        assert_true(is_refused(BASE64_STANDARD, texts[i]));
        assert_true(is_refused(BASE64_URL, texts[i]));
    }
    assert_true(is_refused(BASE64_URL, STR("AA==")));
    assert_true(is_refused(BASE64_URL, STR("AAA=")));
}

static void test_bits_to_spare(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    for (size_t i = 0; digits[i] != '\0'; i++) {
        const char text[] = {'A', 'A', digits[i]};
        const char one[] = {(char)(i >> 4)};
        const char two[] = {0, (char)(i >> 2)};
        assert_true(decodes(BASE64_STANDARD, (struct str){text + 1, 2}, (struct str){one, 1}));
        assert_true(decodes(BASE64_STANDARD, (struct str){text, 3}, (struct str){two, 2}));
        assert_int_equal(decodes(BASE64_URL, (struct str){text + 1, 2}, (struct str){one, 1}),
                         i % 16 == 0);
        assert_int_equal(decodes(BASE64_URL, (struct str){text, 3}, (struct str){two, 2}),
                         i % 4 == 0);
    }
}

static void test_nothing(void **state)
{
    (void)state;
    size_t len = 7;
    char none;
    assert_int_equal(base64_encode(BASE64_URL, (struct str){NULL, 0}, &none), 0);
    assert_true(base64_is_valid(BASE64_STANDARD, (struct str){NULL, 0}));
    assert_true(base64_decode(BASE64_STANDARD, (struct str){NULL, 0}, &none, &len));
    assert_int_equal(len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_the_two_alphabets),
        cmocka_unit_test(test_every_length), cmocka_unit_test(test_every_byte_in_every_place),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_bits_to_spare),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
