/* SPDX-License-Identifier: MIT
 *
 * test_digest.c - fingerprints of lists of texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "handlers/kit/digest.h"

static void digest_to(char *out, struct str a, struct str b)
{
    const struct str texts[] = {a, b};
    assert_true(digest_texts(texts, 2, out));
    out[DIGEST_TEXT_LEN] = '\0';
}

/* Source: printf '3:abc0:' | sha256sum */
static void test_the_texts_count_with_their_lengths(void **state)
{
    (void)state;
    char out[DIGEST_TEXT_LEN + 1];
    digest_to(out, STR("abc"), STR(""));
    assert_string_equal(out, "bdf1004d3099a7a3712d12c456e15ebb2b81d43740868f77760be8f639855aad");
}

static void test_the_border_between_texts_counts(void **state)
{
    (void)state;
    char one[DIGEST_TEXT_LEN + 1];
    char two[DIGEST_TEXT_LEN + 1];
    digest_to(one, STR("ab"), STR("c"));
    digest_to(two, STR("a"), STR("bc"));
    assert_string_not_equal(one, two);
    digest_to(two, STR("ab"), STR("c"));
    assert_string_equal(one, two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_texts_count_with_their_lengths),
        cmocka_unit_test(test_the_border_between_texts_counts),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
