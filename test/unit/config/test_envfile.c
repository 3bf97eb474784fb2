/* SPDX-License-Identifier: MIT
 *
 * test_envfile.c - what a line may look like, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include <stdlib.h>

#include "config/envfile.h"

struct expected {
    const char *name;
    const char *value;
    unsigned line;
};

static void assert_entries(struct str text, const struct expected *expected, size_t count)
{
    struct envfile file = {.rest = text};
    struct envfile_entry entry;
    const char *problem;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(envfile_next(&file, &entry, &problem), ENVFILE_ENTRY);
        assert_true(str_equal(entry.name, str_from(expected[i].name)));
        assert_true(str_equal(entry.value, str_from(expected[i].value)));
        assert_int_equal(file.line, expected[i].line);
    }
    assert_int_equal(envfile_next(&file, &entry, &problem), ENVFILE_END);
    assert_int_equal(envfile_next(&file, &entry, &problem), ENVFILE_END);
}

static void assert_entry(struct str text, const char *name, const char *value)
{
    const struct expected expected = {name, value, 1};
    assert_entries(text, &expected, 1);
}

static void assert_problem(struct str text, const char *expected)
{
    struct envfile file = {.rest = text};
    struct envfile_entry entry;
    const char *problem = NULL;
    assert_int_equal(envfile_next(&file, &entry, &problem), ENVFILE_PROBLEM);
    assert_non_null(strstr(problem, expected));
}

static void test_lines_are_counted(void **state)
{
    (void)state;
    const struct expected expected[] = {{"A", "1", 2}, {"B", "2", 5}, {"C", "", 6}};
    assert_entries(STR("# first\nA=1\n\n \t # x=y\nB=2\nC="), expected, ARRAY_COUNT(expected));
    assert_entries(STR("# first\r\nA=1\r\n\r\n#\r\nB=2\r\nC=\r\n"), expected,
                   ARRAY_COUNT(expected));
}

static void test_nothing_in_it(void **state)
{
    (void)state;
    assert_entries(STR(""), NULL, 0);
    assert_entries((struct str){NULL, 0}, NULL, 0);
    assert_entries(STR("\n\r\n#"), NULL, 0);
}

static void test_forms_of_an_entry(void **state)
{
    (void)state;
    assert_entry(STR("A_1=b"), "A_1", "b");
    assert_entry(STR(" \tA = b c \t"), "A", "b c");
    assert_entry(STR("export A=b"), "A", "b");
    assert_entry(STR("  export   A=b"), "A", "b");
    assert_entry(STR("export=b"), "export", "b");
    assert_entry(STR("A=b=c"), "A", "b=c");
    assert_entry(STR("A=b # c"), "A", "b # c");
    assert_entry(STR("A=\" b # c \""), "A", " b # c ");
    assert_entry(STR("A=\"\""), "A", "");
    assert_entry(STR("A=b\"c"), "A", "b\"c");
    assert_entry(STR("A=b\\n"), "A", "b\\n");
}

static void test_problems(void **state)
{
    (void)state;
    assert_problem(STR("A"), "expected NAME=value");
    assert_problem(STR("export A"), "expected NAME=value");
    assert_problem(STR("=b"), "letters, digits and _");
    assert_problem(STR("A B=c"), "letters, digits and _");
    assert_problem(STR("\xEF\xBB\xBF"
                       "A=b"),
                   "letters, digits and _");
    assert_problem(STR("A=\"b"), "closing double quote");
    assert_problem(STR("A=\""), "closing double quote");
    assert_problem(STR("A=\"b\"c\""), "inside a quoted value");
    assert_problem(STR("A='b'"), "single quotes");
    assert_problem(STR("A=b\0c"), "NUL");
    assert_problem(STR("# b\0c"), "NUL");
    assert_problem(STR("\0"), "NUL");
}

static void test_line_length(void **state)
{
    (void)state;
    static char text[ENVFILE_LINE_MAX_BYTES + 3];
    memset(text, 'x', sizeof(text));
    memcpy(text, "A=", 2);
    memcpy(text + ENVFILE_LINE_MAX_BYTES, "\r\n", 2);
    struct envfile file = {.rest = {text, ENVFILE_LINE_MAX_BYTES + 2}};
    struct envfile_entry entry;
    const char *problem;
    assert_int_equal(envfile_next(&file, &entry, &problem), ENVFILE_ENTRY);
    assert_int_equal(entry.value.len, ENVFILE_LINE_MAX_BYTES - 2);
    text[ENVFILE_LINE_MAX_BYTES] = 'x';
    assert_problem((struct str){text, ENVFILE_LINE_MAX_BYTES + 1}, "longer than 1024 bytes");
    text[0] = '#';
    assert_problem((struct str){text, ENVFILE_LINE_MAX_BYTES + 1}, "longer than 1024 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_counted), cmocka_unit_test(test_nothing_in_it),
        cmocka_unit_test(test_forms_of_an_entry), cmocka_unit_test(test_problems),
        cmocka_unit_test(test_line_length),
    };
    return cmocka_run_group_tests_name("envfile", tests, NULL, NULL);
}
