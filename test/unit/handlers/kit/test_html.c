/* SPDX-License-Identifier: MIT
 *
 * test_html.c - what means something in HTML is written as text; bytes that are no text are
 * replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include "handlers/kit/html.h"
#include <cmocka.h>

#define FFFD "\xef\xbf\xbd"

static void assert_escaped(struct str text, const char *wanted)
{
    struct buf page;
    buf_init(&page, 4096);
    html_append(&page, text);
    buf_append_char(&page, '\0');
    assert_false(page.is_failed);
    assert_string_equal(page.data, wanted);
    buf_deinit(&page);
}

/* As html/template of Go writes them. */
static void test_what_ends_a_text_or_an_attribute(void **state)
{
    (void)state;
    assert_escaped(STR(""), "");
    assert_escaped(STR("<script>alert('&\"')</script>"),
                   "&lt;script&gt;alert(&#39;&amp;&#34;&#39;)&lt;/script&gt;");
    assert_escaped(STR("&amp;"), "&amp;amp;");
    assert_escaped(STR("a\tb\nc"), "a\tb\nc");
}

static void test_text_of_other_languages_stays(void **state)
{
    (void)state;
    assert_escaped(STR("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
                   "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    assert_escaped(STR("a\x01\x1f\x7f"), "a" FFFD FFFD FFFD);
    assert_escaped((struct str){"a\0b", 3}, "a" FFFD "b");
    assert_escaped(STR("\xc3<"), FFFD "&lt;"); /* a sequence that is cut hides nothing */
    assert_escaped(STR("\xe2\x82"), FFFD FFFD);
    assert_escaped(STR("\xc0\xbc"), FFFD FFFD);          /* "<" in two bytes */
    assert_escaped(STR("\xed\xa0\x80"), FFFD FFFD FFFD); /* half of a surrogate pair */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_ends_a_text_or_an_attribute),
        cmocka_unit_test(test_text_of_other_languages_stays),
        cmocka_unit_test(test_bytes_that_are_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
