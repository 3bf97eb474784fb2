/* SPDX-License-Identifier: MIT
 *
 * test_sha256.c - the standard's examples, and lengths round the edge of a block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/base/sha256.h"

static void assert_digest(struct str text, const char *expected)
{
    struct sha256 sha;
    char out[SHA256_TEXT_LEN + 1] = "";
    sha256_init(&sha);
    sha256_add(&sha, text);
    sha256_end_text(&sha, out);
    assert_string_equal(out, expected);
}

/* Source: FIPS 180-4's example values; the empty text is everybody's. */
static void test_examples(void **state)
{
    (void)state;
    assert_digest(STR(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(STR("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_a_million_times_a(void **state)
{
    (void)state;
    struct sha256 sha;
    char out[SHA256_TEXT_LEN + 1] = "";
    sha256_init(&sha);
    for (int i = 0; i < 100000; i++) {
        sha256_add(&sha, STR("aaaaaaaaaa"));
    }
    sha256_end_text(&sha, out);
    assert_string_equal(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_pieces_are_the_whole(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len <= sizeof(text); len++) {
        struct sha256 whole;
        struct sha256 pieces;
        unsigned char of_whole[SHA256_BYTES];
        unsigned char of_pieces[SHA256_BYTES];
        sha256_init(&whole);
        sha256_add(&whole, (struct str){text, len});
        sha256_end(&whole, of_whole);
        sha256_init(&pieces);
        for (size_t at = 0; at < len; at++) {
            sha256_add(&pieces, (struct str){text + at, 1});
        }
        sha256_end(&pieces, of_pieces);
        assert_memory_equal(of_whole, of_pieces, sizeof(of_whole));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_a_million_times_a),
        cmocka_unit_test(test_pieces_are_the_whole),
    };
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
