/* SPDX-License-Identifier: MIT
 *
 * test_crash_code.c - lines of /proc/self/maps, and the own ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/crash/crash_code.h"

#include <string.h>

static void parse(const char *line)
{
    crash_code_parse(line, strlen(line));
}

static const char *put(uint64_t address)
{
    static struct crash_out out;
    out = (struct crash_out){.fd = -1, .file = -1};
    crash_code_put(&out, address);
    crash_out_bytes(&out, "", 1);
    return out.data;
}

static void test_offsets_count_from_the_first_mapping(void **state)
{
    (void)state;
    parse("10000-11000 r--p 00000000 fe:01 1315                             /usr/bin/a b");
    parse("11000-13000 r-xp 00001000 fe:01 1315                             /usr/bin/a b");
    parse("13000-14000 rw-p 00003000 fe:01 1315                             /usr/bin/a b");
    parse("20000-22000 r-xp 00005000 fe:01 1316                             /lib/late.so");
    parse("30000-31000 rwxp 00000000 00:00 0 ");
    parse("40000-41000 r-xp 00000000 00:00 0                                [vdso]");
    assert_string_equal(put(0x11234), "/usr/bin/a b+0x1234");
    assert_string_equal(put(0x20010), "/lib/late.so+0x5010"); /* its first line is not there */
    assert_string_equal(put(0x30010), "0x30010");             /* code that no file has */
    assert_string_equal(put(0x40020), "[vdso]+0x20");
    assert_string_equal(put(0x10000), "0x10000"); /* no code */
    assert_string_equal(put(0x13000), "0x13000");
}

static void test_lines_that_are_none(void **state)
{
    (void)state;
    parse("");
    parse("-");
    parse("x");
    parse("50000");
    parse("50000-51000 r-x");
    assert_string_equal(put(0x50000), "0x50000");
    char path[2 * CRASH_PATH_BYTES];
    memset(path, 'p', sizeof(path));
    memcpy(path, "60000-61000 r-xp 00000000 fe:01 1 /", 35);
    crash_code_parse(path, sizeof(path));
    assert_int_equal(strlen(crash_code_find(0x60000)->path), CRASH_PATH_BYTES - 1);
}

static void test_the_own_mappings(void **state)
{
    (void)state;
    crash_code_read();
    const uint64_t own = (uintptr_t)test_the_own_mappings;
    const uint64_t library = (uintptr_t)memset;
    assert_true(crash_code_is_own(own) && !crash_code_is_own(library) && !crash_code_is_own(0));
    assert_non_null(strstr(crash_code_find(own)->path, "test_crash_code"));
    assert_non_null(strstr(put(own), "test_crash_code+0x"));
    assert_true(crash_code_find(own)->base <= own);
    assert_non_null(crash_code_find(library));
    assert_null(crash_code_find((uintptr_t)&own)); /* the stack */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_count_from_the_first_mapping),
        cmocka_unit_test(test_lines_that_are_none),
        cmocka_unit_test(test_the_own_mappings),
    };
    return cmocka_run_group_tests_name("crash_code", tests, NULL, NULL);
}
