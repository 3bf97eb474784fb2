/* SPDX-License-Identifier: MIT
 *
 * test_maps_text.c - lines that name a mapping, and others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "profiling/code/maps_text.h"

static void test_lines_are_read(void **state)
{
    (void)state;
    struct str text = STR("no mapping\n"
                          "1000-2000 r-xp 00003000 fe:00 12   /a path (deleted)\n"
                          "2000-2000 rw-p 00000000 00:00 0    /nothing\n"
                          "3000-4000 rw-p 00000000 00:00 0");
    struct maps_line line;
    assert_true(maps_text_next(&text, &line));
    assert_int_equal(line.start, 0x1000);
    assert_int_equal(line.end, 0x2000);
    assert_int_equal(line.offset, 0x3000);
    assert_true(line.is_exec);
    assert_true(str_equal(line.path, STR("/a path")));
    assert_true(maps_text_next(&text, &line));
    assert_int_equal(line.start, 0x3000);
    assert_false(line.is_exec);
    assert_int_equal(line.path.len, 0);
    assert_false(maps_text_next(&text, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
