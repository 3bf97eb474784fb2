/* SPDX-License-Identifier: MIT
 *
 * test_crash_out.c - what is written, where it cannot be written, and memory that is not there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "core/crash/crash_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct crash_out out;

static int set_up(void **state)
{
    (void)state;
    out = (struct crash_out){.fd = -1, .file = -1};
    return 0;
}

static void assert_added(const char *text)
{
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    out.len = 0;
}

static void test_numbers(void **state)
{
    (void)state;
    crash_out_number(&out, 0);
    assert_added("0");
    crash_out_number(&out, UINT64_MAX);
    assert_added("18446744073709551615");
    crash_out_hex(&out, 0);
    assert_added("0x0");
    crash_out_hex(&out, UINT64_MAX);
    assert_added("0xffffffffffffffff");
    crash_out_ms(&out, 12 * NS_PER_MS + 30 * NS_PER_US);
    assert_added("12.030");
    crash_out_id(&out, "\x00\xa1", 2);
    assert_added("00a1");
    crash_out_id(&out, "\x00\x00", 2);
    assert_added("-");
}

static void test_texts_that_may_not_be_there(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
    char *edge = map + page - 3;
    memcpy(edge, "a\nb", 3); /* without a NUL, up to the edge */
    crash_out_foreign(&out, edge);
    assert_added("a?b");
    crash_out_foreign(&out, map + page);
    assert_added("?");
    crash_out_foreign(&out, NULL);
    assert_added("-");
    memset(map, 'x', page);
    crash_out_foreign(&out, map);
    assert_int_equal(out.len, CRASH_TEXT_BYTES);
    uint64_t word;
    assert_true(crash_read(map, &word, sizeof(word)));
    assert_false(crash_read(edge, &word, sizeof(word)));
    assert_int_equal(munmap(map, 2 * page), 0);
}

/* A file that takes nothing leaves the other one whole. */
static void test_what_cannot_be_written(void **state)
{
    (void)state;
    int ends[2];
    char got[2 * CRASH_OUT_BYTES];
    assert_int_equal(pipe(ends), 0);
    out.fd = ends[1];
    out.file = open("/dev/full", O_WRONLY);
    for (int i = 0; i < CRASH_OUT_BYTES + 10; i++) {
        crash_out_text(&out, "y");
    }
    crash_out_flush(&out);
    assert_int_equal(out.file, -1);
    assert_int_equal(out.file_error, ENOSPC);
    assert_int_equal(read(ends[0], got, sizeof(got)), CRASH_OUT_BYTES + 10);
    assert_true(got[0] == 'y' && got[CRASH_OUT_BYTES + 9] == 'y');
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* A reader that does not read is given up. */
static void test_a_pipe_that_is_full(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    static const char block[4096];
    while (write(ends[1], block, sizeof(block)) > 0) {
    }
    out.fd = ends[1];
    crash_out_text(&out, "z");
    crash_out_flush(&out);
    assert_int_equal(out.fd, -1);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_numbers, set_up),
        cmocka_unit_test_setup(test_texts_that_may_not_be_there, set_up),
        cmocka_unit_test_setup(test_what_cannot_be_written, set_up),
        cmocka_unit_test_setup(test_a_pipe_that_is_full, set_up),
    };
    return cmocka_run_group_tests_name("crash_out", tests, NULL, NULL);
}
